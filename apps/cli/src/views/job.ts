/** A job in words. */
import { type Job, type JobSpec, isTerminal, rankProcesses } from '@gantry/contract';
import { countOf, formatBytes, formatDuration } from '@gantry/kit';
import { ago, coloured } from '../output.ts';
import type { NameOf } from '../resource-names.ts';
import { ranImageText } from './ran-image.ts';
import { arenaText, deviceText, heldOutText, lossText } from './training.ts';

export function stateLine(job: Job, nameOf: NameOf): string {
  const placement =
    job.state === 'queued' || job.state === 'suspended' ? undefined : job.attempts.at(-1)?.placement;
  const where = placement === undefined ? '' : `   ${whereText(placement, nameOf)}`;
  const why = job.state === 'queued' ? job.waiting?.reasons[0]?.message : undefined;
  return `  ${coloured(job.state, 9)} ${job.name}${where}${why === undefined ? '' : `   ${why}`}`;
}

type Placement = Job['attempts'][number]['placement'];

function whereText(placement: Placement, nameOf: NameOf): string {
  const machines = [...new Set(placement.map(({ node }) => nameOf(node)))];
  return `${countOf(placement.length, 'rank')} on ${machines.length > 2 ? countOf(machines.length, 'machine') : machines.join(' and ')}`;
}

export function progressOf({ progress }: Job): string {
  if (progress?.step === undefined) return '';
  const loss = typeof progress.loss === 'number' ? `  loss ${progress.loss.toFixed(2)}` : '';
  return `${stepOf(progress)}${loss}`;
}

/** Who the others wait for, and where it is: a slow machine shows here first. */
function stragglerText({ progress, attempts, state }: Job, nameOf: NameOf): string | undefined {
  if (progress?.straggler === undefined || isTerminal(state)) return undefined;
  const { rank, slowdown } = progress.straggler;
  const node = attempts.at(-1)?.placement.find((place) => place.rank === rank)?.node;
  const where = node === undefined ? '' : ` on ${nameOf(node)}`;
  return `rank ${rank}${where} computes ${slowdown.toFixed(1)} times as long as the others`;
}

const stepOf = ({ step, totalSteps }: NonNullable<Job['progress']>): string =>
  totalSteps === undefined ? String(step) : `${step}/${totalSteps}`;

export function describeJob(job: Job, nameOf: NameOf): string {
  const { progress } = job;
  const facts: Readonly<Record<string, string | undefined>> = {
    state: coloured(job.state),
    queue: `${job.queue}, submitted by ${job.user} ${ago(job.createdAt)}`,
    deadline: deadlineText(job),
    progress:
      [progress?.step === undefined ? '' : stepOf(progress), lossText(progress ?? {}) ?? '']
        .filter((part) => part !== '')
        .join(' · ') || undefined,
    'held-out': progress === undefined ? undefined : heldOutText(progress)?.replace('held-out ', ''),
    checkpoint: progress?.checkpointStep === undefined ? undefined : `step ${progress.checkpointStep}`,
    device: progress?.device,
    memory: progress?.memory === undefined ? undefined : arenaText(progress.memory),
    'device memory': progress?.deviceMemory === undefined ? undefined : deviceText(progress.deviceMemory),
    straggler: stragglerText(job, nameOf),
    attempts:
      job.attempts.length === 0
        ? undefined
        : job.attempts
            .map(
              (attempt) =>
                `${attempt.epoch}: ${whereText(attempt.placement, nameOf)}, ${attempt.exitClass ?? attempt.state}`,
            )
            .join(' · '),
    image: ranImageText(job.attempts.at(-1)?.image),
    took:
      job.startedAt === undefined || job.endedAt === undefined
        ? undefined
        : formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt)),
    used:
      job.deviceSeconds === undefined ? undefined : countOf(Math.round(job.deviceSeconds), 'device-second'),
    model: job.modelVersion,
    outputs:
      job.outputs === undefined || job.outputs.length === 0
        ? undefined
        : `${countOf(job.outputs.length, 'file')}: gantry job outputs ${job.name}`,
    size:
      job.size === undefined
        ? undefined
        : [`runs with ${job.size.ranks} of ${countOf(job.size.wanted, 'rank')}.`, ...job.size.reasons].join(
            ' ',
          ),
    rests:
      job.suspended === undefined ? undefined : `suspended by ${job.suspended.by} ${ago(job.suspended.at)}`,
    waits: job.waiting?.reasons.map(({ message }) => message).join(' '),
    ended:
      job.exitClass === undefined
        ? undefined
        : `${job.exitClass}${job.exitMessage === undefined ? '' : `: ${job.exitMessage}`}`,
    next: job.hint ?? nextSteps[job.state]?.(job.name),
  };
  const lines = [
    `  ${job.name}`,
    ...Object.entries(facts).flatMap(([name, value]) =>
      value === undefined ? [] : [`  ${name.padEnd(11)}${value}`],
    ),
  ];
  for (const note of job.notes ?? []) lines.push(`  note       ${note}`);
  if (job.state === 'failed' && job.stderrTail !== undefined && job.stderrTail.length > 0)
    lines.push('', '  last lines of stderr', ...job.stderrTail.map((line) => `    ${line}`));
  return lines.join('\n');
}

/** What its owner may want to do about it. */
const nextSteps: Readonly<Partial<Record<Job['state'], (name: string) => string>>> = {
  queued: (name) => `gantry job why ${name}`,
  suspended: (name) => `gantry job resume ${name}`,
};

/** What a tier of reasons means to who waits: "never" will not pass by itself. */
const tierWords: Readonly<Record<string, string>> = { misconfigured: 'never', capacity: 'blocked' };

/** Why it waits, what is ahead of it, and the smallest changes that would start it. */
export function describeWaiting(job: Job, nowMs: number = Date.now()): string {
  if (isTerminal(job.state))
    return `  ${job.name} ${job.state === 'cancelled' ? 'was' : 'has'} ${coloured(job.state)}; it waits for nothing`;
  if (job.state === 'suspended')
    return `  ${job.name} is ${coloured(job.state)} by ${job.suspended?.by}; it goes on with: gantry job resume ${job.name}`;
  if (job.size !== undefined)
    return [
      `  ${job.name} ${coloured('runs')} with ${job.size.ranks} of ${countOf(job.size.wanted, 'rank')}`,
      ...job.size.reasons.map((reason) => `    ${reason}`),
    ].join('\n');
  if (job.state !== 'queued') return `  ${job.name} is ${coloured(job.state)}; it waits for nothing`;
  const { waiting } = job;
  if (waiting === undefined) return `  ${job.name} is about to be looked at`;
  const position = waiting.position === undefined ? '' : ` · position ${waiting.position}`;
  const ahead =
    waiting.ahead === undefined || waiting.ahead.length === 0 ? '' : ` · behind ${waiting.ahead.join(', ')}`;
  const unblock = waiting.unblock ?? [];
  return [
    `  waiting ${ago(job.createdAt, nowMs).replace(' ago', '')} in ${job.queue}${position}${ahead}`,
    '',
    `  ${'needs'.padEnd(9)}${needsOf(job.spec)}`,
    ...startsOf(waiting, nowMs),
    ...waiting.reasons.map(({ tier, message }) => `  ${(tierWords[tier] ?? tier).padEnd(9)}${message}`),
    ...(unblock.length === 0
      ? []
      : ['', '  would start now with', ...unblock.map((change) => `    ${change}`)]),
  ].join('\n');
}

function startsOf({ estimatedStart }: NonNullable<Job['waiting']>, nowMs: number): readonly string[] {
  if (estimatedStart === undefined) return [];
  const inTime = (iso: string): string => formatDuration(Math.max(0, Date.parse(iso) - nowMs));
  const { p50, p90, learnedFrom } = estimatedStart;
  const rests =
    learnedFrom === 0
      ? 'nothing has started yet to learn from'
      : `learned from ${countOf(learnedFrom, 'start')}`;
  return [`  ${'starts'.padEnd(9)}in ${inTime(p50)}, nine times of ten within ${inTime(p90)} (${rests})`];
}

function deadlineText({ spec, endedAt }: Job): string | undefined {
  const { deadline } = spec as Pick<JobSpec, 'deadline'>;
  if (deadline === undefined) return undefined;
  const leftMs = Date.parse(deadline) - (endedAt === undefined ? Date.now() : Date.parse(endedAt));
  if (endedAt !== undefined) return `${deadline}, ${leftMs >= 0 ? 'met' : 'missed'}`;
  return `${deadline}, ${leftMs >= 0 ? `in ${formatDuration(leftMs)}` : `missed ${formatDuration(-leftMs)} ago`}`;
}

/** The request in one line, as far as the spec says it. */
function needsOf(spec: unknown): string {
  const { groups, replicas, parallel, resources, nodeSelector } = spec as Pick<
    JobSpec,
    'groups' | 'replicas' | 'parallel' | 'resources' | 'nodeSelector'
  >;
  const ranks = rankProcesses({ replicas, parallel });
  const kinds =
    groups === undefined
      ? [...(ranks > 1 ? [`${ranks} ranks, each`] : []), ...resourceWords(resources)]
      : groups.map(
          (group) =>
            `${group.replicas} × ${group.name} (${resourceWords(group.resources ?? resources).join(', ')})`,
        );
  return [...kinds, ...Object.entries(nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`)]
    .join(' · ')
    .replace('each · ', 'each ');
}

const resourceWords = (resources: JobSpec['resources']): readonly string[] => [
  ...(resources.gpu > 0 ? [`${resources.gpu} × ${resources.gpuProfile ?? resources.gpuModel ?? 'GPU'}`] : []),
  countOf(resources.cpu, 'CPU'),
  formatBytes(resources.memory),
];
