import type { Deps } from '../deps.ts';
import { type JobStatusRecord, currentAttempt } from '../jobs/job-record.ts';
import type { JobRuntime } from '../jobs/job-runtime.ts';
import { allRows } from '../rows.ts';
import { requestStop } from '../scheduling/request-stop.ts';

/** Stops the jobs that compute on these devices; they queue again elsewhere, at no cost to their users' retries. */
export async function evictFromDevices(
  deps: Deps,
  jobs: Pick<JobRuntime, 'stop'>,
  deviceIds: readonly string[],
): Promise<void> {
  const sick = new Set(deviceIds);
  const live = await deps.store.read({ platform: true }, (tx) => allRows(tx, 'job', ['starting', 'running']));
  for (const row of live) {
    const places = currentAttempt(row.status as JobStatusRecord)?.placement ?? [];
    const device = places.flatMap(({ devices }) => devices).find((id) => sick.has(id));
    if (device === undefined) continue;
    await requestStop(deps, row.id, 'node_drained', { device, code: 'device_unhealthy' }, 'scheduler');
    await jobs.stop(row.id, 'node_drained');
  }
}
