import { type JobState, jobTransition } from '@gantry/contract';
import { type Deps, isoNow } from '../deps.ts';
import { type JobStatusRecord, withAttempt } from '../jobs/job-record.ts';

/** Marks a live job as stopping, or a queued one as cancelled. Undefined when the table does not allow it. */
export async function requestStop(
  deps: Deps,
  jobId: string,
  why: 'cancelled' | 'preempted' | 'node_drained',
  reason: Record<string, unknown>,
  actor: 'user' | 'scheduler',
  asked: { readonly by?: string; readonly requestId?: string } = {},
): Promise<JobState | undefined> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const row = await tx.get('job', jobId);
    if (row === undefined) return undefined;
    const from = row.state as JobState;
    const to: JobState = from === 'queued' ? 'cancelled' : 'stopping';
    const transition = jobTransition(from, to, actor);
    if (transition === undefined) return undefined;
    const status = row.status as JobStatusRecord;
    const last = status.attempts.at(-1);
    const next =
      to === 'stopping' && last !== undefined
        ? withAttempt(status, { ...last, stopReason: why })
        : { ...status, exitClass: 'cancelled' as const, endedAt: isoNow(deps.clock) };
    await tx.update('job', jobId, { expectedVersion: row.version, state: to, status: next });
    await tx.event({
      tenantId: row.tenantId,
      kind: 'job',
      resourceId: jobId,
      type: transition.event,
      fromState: from,
      toState: to,
      actor: asked.by ?? actor,
      reason,
      ...(asked.requestId === undefined ? {} : { requestId: asked.requestId }),
    });
    return to;
  });
}
