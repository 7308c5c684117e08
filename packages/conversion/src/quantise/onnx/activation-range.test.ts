import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { RangeObserver } from './activation-range.ts';

/** Sum of twelve uniform numbers: nearly normal, spread 1; one value lies far out. */
function observed(outlier: number): RangeObserver {
  const random = createRandom(4);
  const normal = () => Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  const values = Float32Array.from({ length: 20_000 }, normal);
  values[7] = outlier;
  const observer = new RangeObserver();
  observer.reach(values);
  observer.fill(values);
  return observer;
}

describe('the range of an activation', () => {
  it('is all that was seen, by minmax', () => {
    const { low, high } = observed(60).range('minmax');
    expect(high).toBe(60);
    expect(low).toBeGreaterThan(-6);
    expect(low).toBeLessThan(-2);
  });

  it('leaves a lone outlier out, by percentile and by entropy', () => {
    for (const method of ['percentile', 'entropy'] as const) {
      const { low, high } = observed(60).range(method, 0.999);
      expect(high).toBeLessThan(20);
      expect(high).toBeGreaterThan(2);
      expect(low).toBeLessThanOrEqual(0);
    }
  });

  it('holds zero, and is nothing where nothing but zero was seen', () => {
    const positive = new RangeObserver();
    for (const pass of ['reach', 'fill'] as const) positive[pass](Float32Array.of(3, 4, 5));
    expect(positive.range('minmax')).toEqual({ low: 0, high: 5 });
    for (const method of ['minmax', 'percentile', 'entropy'] as const)
      expect(new RangeObserver().range(method)).toEqual({ low: 0, high: 0 });
  });
});
