/** `gantry simulate --trace philly|itp` and `--from-server`: the same jobs under one policy after another. */
import {
  REPLAY_POLICIES,
  type ReplayCluster,
  type ReplayJob,
  type ReplayResult,
  replay,
} from '@gantry/scheduling/simulate';
import { formatDuration } from '@gantry/kit';
import { CliError } from '../cli-error.ts';
import { table } from '../output.ts';
import { oneOf } from './read-trace.ts';
import { type ReplayView, createRecorder } from './replay-view.ts';

export interface Replayed {
  readonly result: ReplayResult;
  /** Of replays that let somebody look on: node by node, over time. */
  readonly view?: ReplayView;
  /** Where there is more than one queue to tell apart. */
  readonly queues?: readonly { queue: string; jobs: number; averageQueueSeconds: number }[];
}

/** What can be run under one policy after another. */
export interface Experiment {
  readonly title: string;
  readonly notes: readonly string[];
  readonly policies: readonly string[];
  /** What is run when nobody names a policy. */
  readonly ours: string;
  /** As it is, before anything is changed. */
  readonly before?: () => Replayed;
  /** As it is, and as it would be with more. */
  readonly variants: readonly ((policy: string) => Replayed)[];
}

export interface Scenario {
  readonly jobs: readonly ReplayJob[];
  readonly cluster: ReplayCluster;
  /** Written behind the policy's name, like "+2" for two more nodes. */
  readonly label?: string;
}

export function runExperiment(experiment: Experiment, policies: string | undefined): readonly Replayed[] {
  const names = (policies ?? experiment.ours)
    .split(',')
    .map((name) => oneOf('policy', name.trim(), experiment.policies));
  const isLive = process.stderr.isTTY === true;
  const say = (what: string): void => {
    if (isLive) process.stderr.write(`\r\u001b[2K${what}`);
  };
  const { before, variants } = experiment;
  say('  ▸ as it is …');
  const replayed = [
    ...(before === undefined ? [] : [before()]),
    ...variants.flatMap((run) =>
      names.map((policy) => {
        say(`  ▸ ${policy} …`);
        return run(policy);
      }),
    ),
  ];
  say('');
  return replayed;
}

export const replayPolicies: readonly string[] = Object.keys(REPLAY_POLICIES);

export function runReplay(scenario: Scenario, policy: string): Replayed {
  const { cluster, jobs, label } = scenario;
  if (cluster.devices < cluster.devicesPerNode)
    throw new CliError(
      'bad_request',
      `${cluster.devices} GPUs do not fill one node of ${cluster.devicesPerNode}`,
      {
        hint: 'choose --gpus and --gpus-per-node so that whole nodes come out',
      },
    );
  const nodes = Math.floor(cluster.devices / cluster.devicesPerNode);
  const recorder = createRecorder(Array.from({ length: nodes }, (_, node) => `node ${node + 1}`));
  recorder.begins(new Float64Array(nodes).fill(cluster.devicesPerNode));
  const result = replay(jobs, cluster, policy, {
    decided: ({ nowSeconds, waitingJobs, freeDevices: free }) =>
      recorder.decided({ nowSeconds, waitingJobs, free }),
    finished: ({ job, finishedAt }) =>
      recorder.finished(
        job.devices,
        Math.max(0, (finishedAt ?? 0) - job.arrivalSeconds - job.durationSeconds),
      ),
  });
  return {
    result: label === undefined ? result : { ...result, policy: `${policy} ${label}` },
    view: recorder.view(),
  };
}

/** What no policy can do anything about, so that nobody looks for it in the numbers. */
export function leftOut({ jobs, cluster }: Scenario): string | undefined {
  const tooLarge = jobs.filter(({ devices }) => devices > cluster.devices).length;
  const without = jobs.filter(({ devices }) => devices === 0).length;
  const parts = [
    ...(tooLarge === 0 ? [] : [`${tooLarge} that ask for more than ${cluster.devices} GPUs`]),
    ...(without === 0 ? [] : [`${without} that ask for none`]),
  ];
  return parts.length === 0 ? undefined : `left out: ${parts.join(', ')}`;
}

export const replayHeads = [
  'policy',
  'mean wait',
  'p99 wait',
  'longest',
  'mean JCT',
  'p99 slowdown',
  'utilisation',
  'preempted',
  'unfinished',
] as const;

export const replayRow = ({ result, view }: Replayed): readonly string[] => [
  result.policy,
  formatDuration(result.averageQueueSeconds * 1000),
  view === undefined ? '–' : formatDuration(view.p99WaitSeconds * 1000),
  formatDuration(result.maxWaitSeconds * 1000),
  formatDuration(result.averageJctSeconds * 1000),
  result.p99BoundedSlowdown.toFixed(1),
  view === undefined ? '–' : `${(100 * view.meanUtilisation).toFixed(0)} %`,
  String(result.preemptions),
  String(result.unfinished),
];

export function replaysText(replayed: readonly Replayed[]): string {
  const runs = table(replayHeads, replayed.map(replayRow));
  const byQueue = queueRows(replayed);
  return byQueue === undefined ? runs : `${runs}\n\n${table(byQueue.heads, byQueue.rows)}`;
}

/** More columns than this are not read on a terminal; the queues with most jobs are shown. */
const mostQueues = 8;

/** The mean wait of each queue, a row a run; nothing where there is one queue only. */
export function queueRows(
  replayed: readonly Replayed[],
): { readonly heads: readonly string[]; readonly rows: readonly (readonly string[])[] } | undefined {
  const jobs = new Map<string, number>();
  for (const { queues = [] } of replayed)
    for (const each of queues) jobs.set(each.queue, Math.max(each.jobs, jobs.get(each.queue) ?? 0));
  if (jobs.size < 2) return undefined;
  const shown = [...jobs]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, mostQueues)
    .map(([name]) => name);
  return {
    heads: ['mean wait by queue', ...shown],
    rows: replayed.map(({ result, queues = [] }) => [
      result.policy,
      ...shown.map((name) => {
        const found = queues.find(({ queue }) => queue === name);
        return found === undefined ? '–' : formatDuration(found.averageQueueSeconds * 1000);
      }),
    ]),
  };
}
