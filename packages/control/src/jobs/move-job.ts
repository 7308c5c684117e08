import { type JobState, jobTransition } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import type { JobStatusRecord } from './job-record.ts';

export interface JobMove {
  readonly to?: JobState;
  readonly status: JobStatusRecord;
  readonly reason?: Record<string, unknown>;
}

/**
 * Loads, decides and writes one job under its version; the change and its event commit together. Whoever changed
 * the row meanwhile is looked at again. Undefined: there was nothing to change, or the table does not allow it.
 */
export function moveJob(
  deps: Deps,
  jobId: string,
  decide: (row: Row, status: JobStatusRecord) => JobMove | undefined,
  also?: (tx: Tx, row: Row, status: JobStatusRecord) => Promise<JobStatusRecord>,
): Promise<Row | undefined> {
  return retryOnConflict(() => deps.store.tx({ platform: true }, (tx) => moveIn(tx, jobId, decide, also)));
}

async function moveIn(
  tx: Tx,
  jobId: string,
  decide: (row: Row, status: JobStatusRecord) => JobMove | undefined,
  also?: (tx: Tx, row: Row, status: JobStatusRecord) => Promise<JobStatusRecord>,
): Promise<Row | undefined> {
  const row = await tx.get('job', jobId);
  if (row === undefined) return undefined;
  const decision = decide(row, row.status as JobStatusRecord);
  if (decision === undefined) return undefined;
  const from = row.state as JobState;
  const isMoving = decision.to !== undefined && decision.to !== from;
  const transition = isMoving ? jobTransition(from, decision.to, 'reconciler') : undefined;
  if (isMoving && transition === undefined) return undefined;
  const status = (await also?.(tx, row, decision.status)) ?? decision.status;
  const next = await tx.update('job', jobId, {
    expectedVersion: row.version,
    status,
    ...(transition === undefined ? {} : { state: transition.to }),
  });
  if (transition !== undefined) {
    await tx.event({
      tenantId: row.tenantId,
      kind: 'job',
      resourceId: jobId,
      type: transition.event,
      fromState: from,
      toState: transition.to,
      actor: 'reconciler',
      ...(decision.reason === undefined ? {} : { reason: decision.reason }),
    });
  }
  return next;
}
