/**
 * Stored bytes over time: byte-hours of every model version, a record a UTC day. How far a version is booked stands
 * on its row and moves in the same transaction as the records, so a restart, a repeat or a clock that went back
 * books nothing twice.
 */
import type { Row, Tx } from '@gantry/ports';
import type { ModelVersionRecord, ModelVersionStatusRecord } from '../models/model-record.ts';
import type { PriceBook } from './price-book.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export interface StoredSlice {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The time between two moments, cut at UTC midnights; nothing when the end is not after the start. */
export function daySlices(fromMs: number, untilMs: number): readonly StoredSlice[] {
  const slices: StoredSlice[] = [];
  for (let at = fromMs; at < untilMs;) {
    const next = Math.min(untilMs, startOfDay(at) + dayMs);
    slices.push({ fromMs: at, untilMs: next });
    at = next;
  }
  return slices;
}

export const startOfDay = (ms: number): number => Math.floor(ms / dayMs) * dayMs;

export function bookedUntilMs(version: Row): number {
  const { bookedUntil } = version.status as ModelVersionStatusRecord;
  return Date.parse(bookedUntil ?? version.createdAt);
}

export const byteHours = (bytes: number, { fromMs, untilMs }: StoredSlice): number =>
  bytes * ((untilMs - fromMs) / hourMs);

/** Books a version up to a moment. */
export async function bookStoredBytes(
  tx: Tx,
  version: Row,
  untilMs: number,
  prices: PriceBook,
): Promise<void> {
  const slices = daySlices(bookedUntilMs(version), untilMs);
  if (slices.length === 0) return;
  const { bytes } = version.spec as ModelVersionRecord;
  const status = version.status as ModelVersionStatusRecord;
  for (const slice of slices) {
    const at = new Date(slice.fromMs).toISOString();
    const { perUnit, currency } = prices.priceOf('stored_byte_hours', at);
    await tx.usage({
      id: `stored:${version.id}:${at}`,
      tenantId: version.tenantId,
      at,
      ...(status.user === undefined ? {} : { userId: status.user }),
      ...(status.jobId === undefined ? {} : { jobId: status.jobId }),
      resource: 'stored_byte_hours',
      quantity: byteHours(bytes, slice),
      unit: 'B.h',
      price: perUnit,
      currency,
    });
  }
  await tx.update('model-version', version.id, {
    expectedVersion: version.version,
    status: {
      ...status,
      bookedUntil: new Date(untilMs).toISOString(),
    } satisfies ModelVersionStatusRecord,
  });
}
