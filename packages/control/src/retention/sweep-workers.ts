/** Ended workers: first their scratch files go, later what they printed. */
import type { ListedWorker } from '@gantry/ports';
import { currentAttempt, type JobStatusRecord } from '../jobs/job-record.ts';
import { workersOfReplica } from '../endpoints/replica-places.ts';
import { workerIdOf } from '../jobs/worker-id.ts';
import { allRows } from '../rows.ts';
import { type Dated, after, dueOf, earlier } from './due.ts';
import type { KeepPolicy } from './keep-policy.ts';
import { noteRemoval } from './note-removal.ts';
import type { Sweep } from './sweep.ts';

export const sweepWorkers: Sweep = async ({ deps, policy, nowMs }) => {
  const listed = await deps.runner.list();
  const ended = listed.filter(({ state }) => state !== 'running');
  const scratch = dueOf(ended.map(scratchDue(policy)), nowMs);
  const logs = dueOf(ended.map(logsDue(policy)), nowMs);
  const nextMs = earlier(scratch.nextMs, logs.nextMs);
  if (scratch.now.length + logs.now.length === 0) return { removed: {}, bytes: 0, nextMs };
  // A worker whose end is not written down yet is told once more to the next server.
  const live = await liveWorkers(deps.store);
  const toTrim = scratch.now.filter(({ workerId }) => !live.has(workerId));
  const toForget = logs.now.filter(({ workerId }) => !live.has(workerId));
  for (const { workerId } of toTrim) await deps.runner.remove(workerId, { keepLogs: true });
  for (const { workerId } of toForget) await deps.runner.remove(workerId);
  const jobIds = new Set(toForget.map(({ jobId }) => jobId));
  for (const jobId of jobIds) await noteRemoval(deps, jobId, { what: 'logs', keptMs: policy.logs ?? 0 });
  return { removed: { workers: toTrim.length, logs: toForget.length }, bytes: 0, nextMs };
};

const scratchDue =
  ({ workers }: KeepPolicy) =>
  (item: ListedWorker): Dated<ListedWorker> => ({
    item,
    dueMs: item.isTrimmed || item.endedAtMs === undefined ? undefined : after(item.endedAtMs, workers),
  });

const logsDue =
  ({ logs }: KeepPolicy) =>
  (item: ListedWorker): Dated<ListedWorker> => ({
    item,
    dueMs: item.endedAtMs === undefined ? undefined : after(item.endedAtMs, logs),
  });

async function liveWorkers(store: {
  read: Parameters<Sweep>[0]['deps']['store']['read'];
}): Promise<ReadonlySet<string>> {
  const rows = await store.read({ platform: true }, async (tx) => ({
    jobs: await allRows(tx, 'job', ['starting', 'running', 'stopping']),
    replicas: await allRows(tx, 'replica', ['starting', 'ready', 'draining']),
  }));
  return new Set([
    ...rows.jobs.flatMap((row) => {
      const attempt = currentAttempt(row.status as JobStatusRecord);
      return attempt?.placement.map(({ rank }) => workerIdOf(attempt.id, rank)) ?? [];
    }),
    ...rows.replicas.flatMap(workersOfReplica),
  ]);
}
