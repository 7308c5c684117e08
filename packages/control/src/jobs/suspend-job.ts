/**
 * Rest and its end. A suspended job holds no machine and costs nothing, but keeps its files: resumed, it is queued
 * again and goes on from its newest checkpoint. The wish outlasts every other reason for which the job is on its way
 * out: preempted or wounded meanwhile, it rests instead of being queued.
 */
import { type JobState, jobTransition } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { type JobStatusRecord, currentAttempt, withAttempt } from './job-record.ts';

interface Asked {
  readonly by: string;
  readonly requestId: string;
}

/** The state it is in now; undefined when it has ended, or is being cancelled. */
export function suspendJob(deps: Deps, jobId: string, asked: Asked): Promise<JobState | undefined> {
  return change(deps, jobId, asked, (from, status) => {
    if (status.suspended !== undefined) return 'already';
    const attempt = currentAttempt(status);
    if (attempt?.stopReason === 'cancelled') return undefined;
    const suspended = { by: asked.by, at: isoNow(deps.clock) };
    if (from === 'stopping')
      return { to: 'stopping', event: 'job.stopping', status: { ...status, suspended } };
    const transition = jobTransition(from, 'suspended', 'user') ?? jobTransition(from, 'stopping', 'user');
    if (transition === undefined) return undefined;
    const { waiting: _waiting, ...rest } = status;
    const stopped = attempt === undefined ? rest : withAttempt(rest, { ...attempt, stopReason: 'suspended' });
    return { ...transition, status: { ...stopped, suspended } };
  });
}

/** The state it is in now: still `stopping` where its ranks have not ended. Undefined when it does not rest. */
export function resumeJob(deps: Deps, jobId: string, asked: Asked): Promise<JobState | undefined> {
  return change(deps, jobId, asked, (from, { suspended, ...status }) => {
    if (suspended === undefined) return undefined;
    if (from === 'stopping') return { to: 'stopping', event: 'job.resumed', status };
    const transition = jobTransition(from, 'queued', 'user');
    return transition && { ...transition, status };
  });
}

interface Change {
  readonly to: JobState;
  readonly event: string;
  readonly status: JobStatusRecord;
}

function change(
  deps: Deps,
  jobId: string,
  asked: Asked,
  decide: (from: JobState, status: JobStatusRecord) => Change | 'already' | undefined,
): Promise<JobState | undefined> {
  const changeIn = async (tx: Tx): Promise<JobState | undefined> => {
    const row = await tx.get('job', jobId);
    if (row === undefined) return undefined;
    const decided = decide(row.state as JobState, row.status as JobStatusRecord);
    if (decided === undefined) return undefined;
    if (decided === 'already') return row.state as JobState;
    await write(tx, row, decided, asked);
    return decided.to;
  };
  return retryOnConflict(() => deps.store.tx({ platform: true }, changeIn));
}

async function write(tx: Tx, row: Row, { to, event, status }: Change, asked: Asked): Promise<void> {
  await tx.update('job', row.id, { expectedVersion: row.version, state: to, status });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'job',
    resourceId: row.id,
    type: event,
    fromState: row.state,
    toState: to,
    actor: asked.by,
    reason: { requestedBy: asked.by, ...(event === 'job.stopping' ? { code: 'suspended' } : {}) },
    requestId: asked.requestId,
  });
}
