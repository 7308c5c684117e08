import { createManualClock } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deps } from '../deps.ts';
import { type MemoryStore, createMemoryStore } from '../testing/memory-store.ts';
import { createPriceBook } from './price-book.ts';
import { createStorageMeter } from './storage-meter.ts';
import { bookStoredBytes, bookedUntilMs, daySlices } from './stored-bytes.ts';

const hour = 3_600_000;
const day = 24 * hour;
// The memory store's rows are born at this moment.
const bornMs = Date.parse('2026-01-01T00:00:00.000Z');
const prices = createPriceBook([
  { resource: 'stored_byte_hours', from: '2026-01-03T00:00:00Z', perUnit: 7, currency: 'EUR' },
]);

async function storeOf(bytes: readonly number[]): Promise<MemoryStore> {
  const store = createMemoryStore();
  await store.tx({ platform: true }, async (tx) => {
    for (const [index, each] of bytes.entries())
      await tx.insert({
        kind: 'model-version',
        id: `mv_${index}`,
        tenantId: 'ten',
        name: `lm@${index}`,
        state: 'active',
        spec: { bytes: each },
        status: { user: 'ada' },
      });
  });
  return store;
}
const versions = async (store: MemoryStore): Promise<readonly Row[]> =>
  (await store.read({ platform: true }, (tx) => tx.list('model-version', { limit: 99, newestFirst: false })))
    .items;
const meterOf = (store: MemoryStore, clock = createManualClock(bornMs)) => ({
  clock,
  meter: createStorageMeter({
    store,
    clock,
    prices,
    log: { error: (fields: object) => expect.fail(JSON.stringify(fields)) },
  } as unknown as Deps),
});

describe('stored bytes', () => {
  it('are booked a day at a time, at the price of the day', async () => {
    const store = await storeOf([1000]);
    const { clock, meter } = meterOf(store);
    clock.advance(3 * day + hour);
    await meter.book();
    await meter.book();
    expect(
      store.usage.map(({ at, quantity, unit, price, currency }) => [at, quantity, unit, price, currency]),
    ).toEqual([
      [
        '2026-01-01T00:00:00.000Z',
        24_000,
        'B.h',
        prices.priceOf('stored_byte_hours', '2026-01-01').perUnit,
        'USD',
      ],
      [
        '2026-01-02T00:00:00.000Z',
        24_000,
        'B.h',
        prices.priceOf('stored_byte_hours', '2026-01-01').perUnit,
        'USD',
      ],
      ['2026-01-03T00:00:00.000Z', 24_000, 'B.h', 7, 'EUR'],
    ]);
    expect(store.usage[0]).toMatchObject({ tenantId: 'ten', userId: 'ada', resource: 'stored_byte_hours' });
    await meter[Symbol.asyncDispose]();
  });

  it('sum to bytes × time, whenever and how often they are booked, and whatever the calendar does', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 4 * day }) }),
      fc.record({ kind: fc.constant('back' as const), ms: fc.integer({ min: 0, max: 3 * day }) }),
      fc.record({ kind: fc.constant('restart' as const), ms: fc.constant(0) }),
      fc.record({ kind: fc.constant('delete' as const), ms: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 4 }),
        fc.array(step, { maxLength: 15 }),
        async (bytes, steps) => {
          const store = await storeOf(bytes);
          let { clock, meter } = meterOf(store);
          /** Up to where each version must be booked: what was, never less. */
          const until = new Map<string, number>();
          for (const { kind, ms } of steps) {
            if (kind === 'pass') clock.advance(ms);
            if (kind === 'back') clock.jump(-ms);
            if (kind === 'restart') {
              await meter[Symbol.asyncDispose]();
              ({ clock, meter } = meterOf(store, createManualClock(clock.nowMs())));
            }
            await meter.book();
            for (const row of await versions(store)) until.set(row.id, bookedUntilMs(row));
            const [first] = await versions(store);
            if (kind === 'delete' && first !== undefined) {
              await store.tx({ platform: true }, async (tx) => {
                await bookStoredBytes(tx, first, clock.nowMs(), prices);
                await tx.softDelete('model-version', first.id);
              });
              until.set(first.id, Math.max(until.get(first.id) ?? 0, clock.nowMs()));
            }
          }
          await meter[Symbol.asyncDispose]();
          for (const [index, each] of bytes.entries()) {
            const mine = store.usage.filter(({ id }) => id.startsWith(`stored:mv_${index}:`));
            const booked = mine.reduce((sum, { quantity }) => sum + quantity, 0);
            const expected = each * ((Math.max(bornMs, until.get(`mv_${index}`) ?? bornMs) - bornMs) / hour);
            expect(Math.abs(booked - expected)).toBeLessThanOrEqual(expected * 1e-9 + 1e-6);
          }
        },
      ),
      { seed: 11, numRuns: 80 },
    );
  });

  it('are not booked for a calendar that jumped ahead and was set right', async () => {
    const store = await storeOf([1000]);
    const { clock, meter } = meterOf(store);
    clock.jump(365 * day);
    await meter.book();
    expect(store.usage).toEqual([]);
    clock.jump(-365 * day);
    clock.advance(day);
    await meter.book();
    expect(store.usage.map(({ quantity }) => quantity)).toEqual([24_000]);
    await meter[Symbol.asyncDispose]();
  });
});

it('slices of a time are whole UTC days inside, in order, without a gap', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e13 }),
      fc.integer({ min: -day, max: 20 * day }),
      (fromMs, length) => {
        const slices = daySlices(fromMs, fromMs + length);
        const sum = slices.reduce((total, slice) => total + slice.untilMs - slice.fromMs, 0);
        expect(sum).toBe(Math.max(0, length));
        for (const [index, slice] of slices.entries()) {
          expect(slice.fromMs).toBe(slices[index - 1]?.untilMs ?? fromMs);
          if (index > 0) expect(slice.fromMs % day).toBe(0);
        }
      },
    ),
    { seed: 3, numRuns: 200 },
  );
});
