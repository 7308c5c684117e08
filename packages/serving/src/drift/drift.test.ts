import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { DriftMonitor, type DriftSample } from './drift-monitor.ts';
import { chiSquare, kolmogorovSmirnov, populationStability } from './two-samples.ts';

const random = createRandom(17);
const normal = (mean: number): number =>
  mean + Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
const sample = (mean: number, count: number): number[] => Array.from({ length: count }, () => normal(mean));

describe('two samples', () => {
  it('agree with textbook values', () => {
    // scipy.stats.ks_2samp([1..5], [3..7]): D = 0.4.
    expect(kolmogorovSmirnov([1, 2, 3, 4, 5], [3, 4, 5, 6, 7]).statistic).toBeCloseTo(0.4);
    // A 2 x 2 table of 10/20 and 20/10: chi-square 6.667, p = 0.0098.
    const { statistic, pValue } = chiSquare({ a: 10, b: 20 }, { a: 20, b: 10 });
    expect(statistic).toBeCloseTo(6.667, 3);
    expect(pValue).toBeCloseTo(0.0098, 2);
    expect(populationStability(sample(0, 2_000), sample(0, 2_000))).toBeLessThan(0.05);
    expect(populationStability(sample(0, 2_000), sample(1, 2_000))).toBeGreaterThan(0.25);
  });

  it('are called different about as often as allowed when they are not', () => {
    const alarms = Array.from(
      { length: 400 },
      () => kolmogorovSmirnov(sample(0, 100), sample(0, 100)).pValue < 0.05,
    );
    expect(alarms.filter(Boolean).length / alarms.length).toBeLessThan(0.08);
  });
});

describe('drift', () => {
  const request = (mean: number, errors: number): DriftSample => ({
    numbers: {
      promptTokens: Math.round(100 + 20 * normal(mean)),
      answerTokens: Math.round(50 + 5 * normal(0)),
    },
    kinds: { outcome: random.next() < errors ? 'error' : 'answered' },
  });
  const run = (monitor: DriftMonitor, requests: number, mean = 0, errors = 0.01): string[] => {
    const found: string[] = [];
    for (let index = 0; index < requests; index++)
      for (const { feature } of monitor.observe(request(mean, errors)) ?? []) found.push(feature);
    return found;
  };

  it('raises no alarm over a hundred windows of the same', () => {
    expect(run(new DriftMonitor(), 50_500)).toEqual([]);
  });

  it('names what changed in the window in which it changed', () => {
    const monitor = new DriftMonitor();
    expect(run(monitor, 1_000)).toEqual([]);
    expect(run(monitor, 500, 1)).toEqual(['promptTokens']);
    expect(run(monitor, 500, 0, 0.2)).toEqual(['outcome']);
    expect(run(monitor, 500)).toEqual([]);
  });
});
