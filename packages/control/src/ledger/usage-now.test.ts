import { createManualClock } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../testing/memory-store.ts';
import { createPriceBook } from './price-book.ts';
import { usageNow } from './usage-now.ts';

const prices = createPriceBook();
const hour = 3_600_000;

describe('usage now', () => {
  it('counts what is stored up to this moment, once, under the key that was asked for', async () => {
    const store = createMemoryStore();
    const clock = createManualClock(Date.parse('2026-01-01T05:00:00Z'));
    await store.tx({ platform: true }, async (tx) => {
      for (const [index, tenantId] of ['ten', 'ten', 'other'].entries())
        await tx.insert({
          kind: 'model-version',
          id: `mv_${index}`,
          tenantId,
          name: `lm@${index}`,
          state: 'active',
          spec: { bytes: 100 },
          status: { user: 'ada', ...(index === 1 ? { bookedUntil: '2026-01-01T03:00:00Z' } : {}) },
        });
    });
    const ask = (query: { from?: string; to?: string } = {}) =>
      store.read({ tenantId: 'ten' }, (tx) =>
        usageNow({ clock, prices }, tx, { tenantId: 'ten', by: 'user', ...query }),
      );
    expect(await ask()).toEqual([
      {
        key: 'ada',
        resource: 'stored_byte_hours',
        quantity: 700,
        unit: 'B.h',
        cost: expect.closeTo(700 * prices.priceOf('stored_byte_hours', '2026-01-01').perUnit, 15),
        currency: 'USD',
      },
    ]);
    expect(await ask({ to: '2026-01-01T00:00:00Z' })).toEqual([]);
    clock.advance(hour);
    expect((await ask())[0]?.quantity).toBe(900);
  });
});
