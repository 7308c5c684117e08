import type { Row } from '@gantry/ports';
import type { ReplicaStatusRecord } from './endpoint-record.ts';

/** A replica is up within this time on a machine that has the model. */
const unseenSeconds = 10;
/** Below there is nothing to foresee; above lies the queue's patience, not the load's. */
const [leastSeconds, mostSeconds] = [5, 900];

/** How far ahead a forecast must look: what the replicas that serve took from being wanted to being ready, half of them less. */
export function scalingLeadSeconds(serving: readonly Pick<Row, 'status'>[]): number {
  const tookMs = serving
    .flatMap(({ status }) => {
      const { coldStart } = status as ReplicaStatusRecord;
      if (coldStart === undefined) return [];
      const { scheduleMs, fetchMs, loadMs, warmMs = 0 } = coldStart;
      return [scheduleMs + fetchMs + loadMs + warmMs];
    })
    .toSorted((one, other) => one - other);
  const median = tookMs[Math.floor(tookMs.length / 2)];
  if (median === undefined) return unseenSeconds;
  return Math.min(mostSeconds, Math.max(leastSeconds, Math.ceil(median / 1_000)));
}
