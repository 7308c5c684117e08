import type { JobSpec } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { AttemptRecord, JobSpecRecord } from '../jobs/job-record.ts';
import { groupOfRank, heldBy, rankGroups } from '../jobs/rank-groups.ts';
import type { PriceBook } from './price-book.ts';

/**
 * Closes the books of an attempt, in the transaction that ends it: device-seconds from placement to end for
 * every rank (CPU cores where no GPU was held). Idempotent by the attempt's id. Returns the seconds recorded.
 */
export async function recordAttemptUsage(
  tx: Tx,
  row: Row,
  attempt: AttemptRecord,
  prices: PriceBook,
): Promise<number> {
  const { job, user, queueId } = row.spec as JobSpecRecord;
  const heldMs =
    attempt.heldMs ?? Date.parse(attempt.endedAt ?? attempt.placedAt) - Date.parse(attempt.placedAt);
  const seconds = Math.max(0, heldMs) / 1_000;
  const at = attempt.endedAt ?? attempt.placedAt;
  let recorded = 0;
  let isFirst = true;
  for (const [resource, devices] of billedDevices(job, attempt.placement)) {
    const { perUnit, currency } = prices.priceOf(resource, at);
    const quantity = seconds * devices;
    await tx.usage({
      // The first line keeps the attempt's own name: books of before have one line an attempt.
      id: isFirst ? `attempt:${attempt.id}` : `attempt:${attempt.id}:${resource}`,
      tenantId: row.tenantId,
      at,
      userId: user,
      queueId,
      jobId: row.id,
      attemptId: attempt.id,
      resource,
      quantity,
      unit: 's',
      price: perUnit,
      currency,
    });
    recorded += quantity;
    isFirst = false;
  }
  return recorded;
}

/** GPUs of the ranks that hold some, cores of the others. */
function billedDevices(
  job: JobSpec,
  placement: AttemptRecord['placement'],
): readonly (readonly ['gpu_seconds' | 'cpu_seconds', number])[] {
  const groups = rankGroups(job);
  const isGpu = ({ rank }: { rank: number }): boolean => groupOfRank(groups, rank).resources.gpu > 0;
  const onGpus = placement.filter(isGpu);
  const onCpus = placement.filter((place) => !isGpu(place));
  return [
    ...(onGpus.length === 0 ? [] : [['gpu_seconds', heldBy(job, onGpus).gpus] as const]),
    ...(onCpus.length === 0 ? [] : [['cpu_seconds', heldBy(job, onCpus).cpus] as const]),
  ];
}
