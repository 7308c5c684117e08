import { describe, expect, it } from 'vitest';
import { createPriceBook } from './price-book.ts';

const entry = (from: string, perUnit: number, currency = 'EUR') => ({
  resource: 'gpu_seconds',
  from,
  perUnit,
  currency,
});

describe('the price book', () => {
  it('answers the price of the date, and the default before the first', () => {
    const book = createPriceBook([entry('2026-06-01T00:00:00Z', 3), entry('2026-01-01T00:00:00Z', 2)]);
    const at = (time: string) => book.priceOf('gpu_seconds', time).perUnit;
    expect(at('2025-12-31T23:59:59Z')).toBeCloseTo(2 / 3600);
    expect(at('2026-01-01T00:00:00Z')).toBe(2);
    expect(at('2026-05-31T23:59:59Z')).toBe(2);
    expect(at('2027-01-01T00:00:00Z')).toBe(3);
    expect(book.priceOf('cpu_seconds', '2027-01-01T00:00:00Z').currency).toBe('USD');
  });

  it.each([
    [[{ ...entry('2026-01-01T00:00:00Z', 1), resource: 'gpu_second' }], '0.resource'],
    [[entry('yesterday', 1)], '0.from'],
    [[entry('2026-01-01T00:00:00Z', -1)], '0.perUnit'],
    [[entry('2026-01-01T00:00:00Z', 1, 'euro')], '0.currency'],
    [{ gpu_seconds: 2 }, 'expected array'],
  ])('refuses what is no list of prices, and says where', (list, where) => {
    expect(() => createPriceBook(list)).toThrow(
      expect.objectContaining({ code: 'data_invalid', message: expect.stringContaining(where) }),
    );
  });
});
