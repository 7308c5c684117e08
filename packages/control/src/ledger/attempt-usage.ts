import type { Row, Tx } from '@gantry/ports';
import { type AttemptRecord, type JobSpecRecord } from '../jobs/job-record.ts';
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
  const ranks = attempt.placement.length;
  const isGpu = job.resources.gpu > 0;
  const quantity = seconds * ranks * (isGpu ? job.resources.gpu : job.resources.cpu);
  const resource = isGpu ? 'gpu_seconds' : 'cpu_seconds';
  const at = attempt.endedAt ?? attempt.placedAt;
  const { perUnit, currency } = prices.priceOf(resource, at);
  await tx.usage({
    id: `attempt:${attempt.id}`,
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
  return quantity;
}
