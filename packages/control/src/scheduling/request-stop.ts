/**
 * Work is asked to give its machines back. Who asks last does not always win: a user's cancel overrules every other
 * reason for which a job is on its way out.
 */
import { type JobState, jobTransition } from '@gantry/contract';
import type { Tx } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import { type JobStatusRecord, withAttempt } from '../jobs/job-record.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';

/** Whose name stands in the event. */
export interface Asked {
  readonly by?: string;
  readonly requestId?: string;
}

/** Marks a live job as stopping, or one that holds nothing as cancelled. Undefined when the table does not allow it. */
export function requestStop(
  deps: Deps,
  jobId: string,
  why: 'cancelled' | 'preempted' | 'node_drained',
  reason: Record<string, unknown>,
  actor: 'user' | 'scheduler',
  asked: Asked = {},
): Promise<JobState | undefined> {
  return retryOnConflict(() =>
    deps.store.tx({ platform: true }, (tx) => stopIn(deps, tx, jobId, why, reason, actor, asked)),
  );
}

async function stopIn(
  deps: Deps,
  tx: Tx,
  jobId: string,
  why: 'cancelled' | 'preempted' | 'node_drained',
  reason: Record<string, unknown>,
  actor: 'user' | 'scheduler',
  { by, requestId }: Asked,
): Promise<JobState | undefined> {
  const row = await tx.get('job', jobId);
  if (row === undefined) return undefined;
  const from = row.state as JobState;
  const { suspended: _suspended, ...status } = row.status as JobStatusRecord;
  const last = status.attempts.at(-1);
  const isOverruled = from === 'stopping' && why === 'cancelled' && last?.stopReason !== 'cancelled';
  const holds = from !== 'queued' && from !== 'suspended';
  const to: JobState = holds ? 'stopping' : 'cancelled';
  const event = isOverruled ? 'job.stopping' : jobTransition(from, to, actor)?.event;
  if (event === undefined) return undefined;
  const next =
    holds && last !== undefined
      ? withAttempt(status, { ...last, stopReason: why })
      : { ...status, exitClass: 'cancelled' as const, endedAt: isoNow(deps.clock) };
  await tx.update('job', jobId, { expectedVersion: row.version, state: to, status: next });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'job',
    resourceId: jobId,
    type: event,
    fromState: from,
    toState: to,
    actor: by ?? actor,
    reason,
    ...(requestId === undefined ? {} : { requestId }),
  });
  return to;
}
