/**
 * The books at the end, read as an auditor would: from the attempts of all jobs, who held which device when; from the
 * ledger, who paid for it; from the runner's diary, how the ranks really ended.
 */
import type { Job, JobSpec } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import { platformRestartLimit } from '@gantry/control';
import type { SimulatedRunner } from './simulated-runner.ts';

type Attempt = Job['attempts'][number];

interface Hold {
  readonly what: string;
  readonly amount: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** `capacity`: of what (`<node> cpu`, a device, `queue capped`) there is how much; queues not named have no bound. */
export function auditJobs(
  jobs: readonly Job[],
  capacity: ReadonlyMap<string, number>,
  runner: Pick<SimulatedRunner, 'endsOf'>,
): readonly string[] {
  return [
    ...jobs.flatMap((job) => lifeProblems(job, runner)),
    ...overcommitted(jobs.flatMap(holdsOf), capacity),
  ];
}

const userFaults: ReadonlySet<string> = new Set(['user_error', 'out_of_memory']);

/** Whether its attempts explain its end, and the diary its attempts. */
function lifeProblems(job: Job, runner: Pick<SimulatedRunner, 'endsOf'>): readonly string[] {
  const { retries, replicas = 1, minReplicas = replicas } = job.spec as JobSpec;
  const wrong: string[] = [];
  const say = (what: string): void => void wrong.push(`${job.name}: ${what}`);
  const faults = job.attempts.filter(({ exitClass }) => userFaults.has(exitClass ?? '')).length;
  const lost = job.attempts.filter(({ exitClass }) => exitClass === 'infrastructure').length;
  const last = job.attempts.at(-1)?.exitClass;
  if (job.state === 'succeeded' && last !== 'done') say(`succeeded, but ended with ${last}`);
  if (job.state === 'failed' && faults !== retries + 1 && lost <= platformRestartLimit)
    say(`failed after ${faults} faults of its own with ${retries} retries`);
  if (faults > retries + 1) say(`${faults} faults of its own with ${retries} retries`);
  if (!['succeeded', 'failed', 'cancelled'].includes(job.state)) say(`never ended: ${job.state}`);
  for (const { epoch, exitClass, placement, id, state } of job.attempts) {
    const told = runner.endsOf(id);
    if (state !== 'ended') say(`attempt ${epoch} is ${state}`);
    if (placement.length < minReplicas || placement.length > replicas)
      say(`attempt ${epoch} had ${placement.length} of ${minReplicas} to ${replicas} ranks`);
    if (told.length > placement.length) say(`attempt ${epoch} had ${told.length} workers`);
    if (exitClass === 'done' && (told.length < placement.length || told.some((how) => how !== 'done')))
      say(`attempt ${epoch} is called done, its ranks say ${told.join(' ')}`);
    if (userFaults.has(exitClass ?? '') && !told.some((how) => how === exitClass))
      say(`attempt ${epoch} is called ${exitClass}, its ranks say ${told.join(' ')}`);
  }
  return wrong;
}

function holdsOf(job: Job): readonly Hold[] {
  const { resources } = job.spec as JobSpec;
  return job.attempts.flatMap(({ placement, placedAt = '', endedAt = '' }: Attempt) => {
    const span = { fromMs: Date.parse(placedAt), toMs: Date.parse(endedAt) };
    return placement.flatMap(({ node, devices }) => [
      { what: `${node} cpu`, amount: resources.cpu, ...span },
      { what: `queue ${job.queue}`, amount: devices.length, ...span },
      ...devices.map((device) => ({ what: device, amount: 1, ...span })),
      ...(devices.length === resources.gpu ? [] : [{ what: 'missing devices', amount: 1, ...span }]),
    ]);
  });
}

/** Where at some moment more was held than there is. What ends in the millisecond in which another begins is gone. */
function overcommitted(holds: readonly Hold[], capacity: ReadonlyMap<string, number>): readonly string[] {
  const changes = new Map<string, { atMs: number; by: number }[]>();
  for (const { what, amount, fromMs, toMs } of holds) {
    const list = changes.get(what) ?? [];
    changes.set(what, list);
    list.push({ atMs: fromMs, by: amount }, { atMs: toMs, by: -amount });
  }
  const wrong: string[] = [];
  for (const [what, list] of changes) {
    const most = capacity.get(what) ?? (what.startsWith('queue ') ? Infinity : 0);
    list.sort((one, other) => one.atMs - other.atMs || one.by - other.by);
    let held = 0;
    for (const { by } of list) {
      held += by;
      if (held <= most + 1e-9) continue;
      wrong.push(`${what}: ${held} held of ${most}`);
      break;
    }
  }
  return wrong;
}

/** Every second of every attempt is billed once, to its job; nothing else is. */
export async function auditLedger(client: Client, jobs: readonly Job[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { items } = await client.call('usage.report', { query: { by: 'job' } });
  const billed = new Map<string, number>();
  for (const { key, resource, quantity } of items)
    if (['gpu_seconds', 'cpu_seconds'].includes(resource)) billed.set(key, (billed.get(key) ?? 0) + quantity);
  for (const job of jobs) {
    const { resources } = job.spec as JobSpec;
    const perRank = resources.gpu > 0 ? resources.gpu : resources.cpu;
    const took = job.attempts.reduce(
      (sum, { placedAt = '', endedAt = '', placement }) =>
        sum + ((Date.parse(endedAt) - Date.parse(placedAt)) / 1_000) * placement.length * perRank,
      0,
    );
    const paid = (billed.get(job.id) ?? 0) + (billed.get(job.name) ?? 0);
    billed.delete(job.id);
    billed.delete(job.name);
    if (Math.abs(paid - took) > 1e-6) wrong.push(`${job.name}: ${paid} s billed, its attempts took ${took}`);
    if (Math.abs(paid - (job.deviceSeconds ?? 0)) > 1e-6)
      wrong.push(`${job.name}: ${paid} s billed, it says ${job.deviceSeconds}`);
  }
  for (const [key, quantity] of billed) wrong.push(`${quantity} s are billed to ${key}, which is no job`);
  return wrong;
}
