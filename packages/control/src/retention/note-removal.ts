import { formatDuration } from '@gantry/kit';
import type { Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';

export interface Removal {
  readonly what: 'logs' | 'checkpoints' | 'run folder';
  readonly keptMs: number;
  readonly bytes?: number;
}

/** Says on the job what is gone and why, with its event: nobody should look for files that were removed. */
export function noteRemoval(deps: Deps, jobId: string, removal: Removal): Promise<void> {
  return retryOnConflict(() => deps.store.tx({ platform: true }, (tx) => noteIn(tx, jobId, removal)));
}

async function noteIn(tx: Tx, jobId: string, { what, keptMs, bytes }: Removal): Promise<void> {
  const row = await tx.get('job', jobId);
  if (row === undefined) return;
  const { progress, notes = [], ...status } = row.status as JobStatusRecord;
  const { checkpointPath: _path, checkpointStep: _step, ...kept } = progress ?? {};
  const note = `${what === 'logs' ? 'its logs were' : what === 'checkpoints' ? 'its checkpoints were' : 'its run folder was'} removed ${formatDuration(keptMs)} after its end`;
  await tx.update('job', jobId, {
    expectedVersion: row.version,
    status: {
      ...status,
      ...(progress === undefined ? {} : { progress: what === 'logs' ? progress : kept }),
      notes: [...new Set([...notes, note])],
    } satisfies JobStatusRecord,
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'job',
    resourceId: jobId,
    type: 'job.files_removed',
    actor: 'retention',
    reason: { what, keptMs, ...(bytes === undefined ? {} : { bytes }) },
  });
}
