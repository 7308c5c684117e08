import { type JobState, jobTransition } from '@gantry/contract';
import type { Tx } from '@gantry/ports';
import type { Plan } from '@gantry/scheduling';
import type { Deps } from '../deps.ts';
import { type JobSpecRecord, type JobStatusRecord, currentAttempt, withAttempt } from '../jobs/job-record.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { toPlacement } from './attempt-history.ts';

type Resize = Plan['resizes'][number];

/** Asks a running gang to save and stop, and writes down where it goes on. False: it does not run any more. */
export function requestResize(deps: Deps, resize: Resize): Promise<boolean> {
  return retryOnConflict(() => deps.store.tx({ platform: true }, (tx) => resizeIn(tx, resize)));
}

async function resizeIn(tx: Tx, { workloadId, members, reason }: Resize): Promise<boolean> {
  const row = await tx.get('job', workloadId);
  if (row === undefined) return false;
  const status = row.status as JobStatusRecord;
  const attempt = currentAttempt(status);
  const transition = jobTransition(row.state as JobState, 'stopping', 'scheduler');
  if (attempt === undefined || transition === undefined) return false;
  const resizeTo = toPlacement((row.spec as JobSpecRecord).job, members);
  await tx.update('job', row.id, {
    expectedVersion: row.version,
    state: transition.to,
    status: withAttempt(status, { ...attempt, stopReason: 'resized', resizeTo }),
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'job',
    resourceId: row.id,
    type: transition.event,
    fromState: row.state,
    toState: transition.to,
    actor: 'scheduler',
    reason: { reason: { ...reason, from: attempt.placement.length, to: resizeTo.length } },
  });
  return true;
}
