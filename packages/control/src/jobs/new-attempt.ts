import { createId } from '@gantry/kit';
import { type Deps, isoNow } from '../deps.ts';
import type { AttemptRecord, JobStatusRecord } from './job-record.ts';

export type Placement = AttemptRecord['placement'];

/** The next attempt of a job, on these devices from now on. */
export function newAttempt(
  deps: Pick<Deps, 'clock'>,
  { attempts }: Pick<JobStatusRecord, 'attempts'>,
  placement: Placement,
  masterPort: number,
): AttemptRecord {
  return {
    id: createId('att', deps.clock.nowMs()),
    epoch: attempts.length + 1,
    state: 'starting',
    placement,
    masterPort,
    placedAt: isoNow(deps.clock),
  };
}

/** What the event of a placement says; auditors count with it. */
export const placedReason = ({ id, epoch, placement }: AttemptRecord): Record<string, unknown> => ({
  attempt: id,
  epoch,
  ranks: placement.length,
  nodes: [...new Set(placement.map(({ node }) => node))],
});
