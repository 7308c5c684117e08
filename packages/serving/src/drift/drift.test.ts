import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import type { WindowComparison } from './compare-windows.ts';
import { embeddingShift } from './embedding-shift.ts';
import { sketchText } from './text-sketch.ts';
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

/** Sentences of a few words of one field, as many requests of one service are. */
const fields = {
  billing: 'invoice payment refund card charge receipt account price tax currency total amount'.split(' '),
  weather: 'rain wind snow cloud storm sunny degrees forecast humid freezing morning tomorrow'.split(' '),
  both: 'please could you tell me what the is of for my in and when why how'.split(' '),
};
function sentence(field: 'billing' | 'weather', share = 1): string {
  return Array.from({ length: 12 }, () => {
    const words = random.next() < 0.5 ? fields.both : fields[random.next() < share ? field : 'billing'];
    return words[Math.floor(random.next() * words.length)];
  }).join(' ');
}
const point = (text: string): Float32Array => sketchText(text) ?? new Float32Array(64);

describe('embeddings of texts', () => {
  it('lie near each other where words are shared, whatever their case and signs', () => {
    const [one, same, other] = [
      'Refund my invoice, please',
      'refund MY invoice please!',
      'Snow at dawn?',
    ].map(point);
    const cosine = (a: Float32Array = new Float32Array(), b: Float32Array = new Float32Array()): number =>
      a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
    expect(cosine(one, same)).toBeCloseTo(1);
    expect(cosine(one, other)).toBeLessThan(0.4);
    expect(sketchText('…!')).toBeUndefined();
  });

  it('are called moved as often as allowed when they were not, and surely when they were', () => {
    const many = (field: 'billing' | 'weather', share?: number): Float32Array[] =>
      Array.from({ length: 125 }, () => point(sentence(field, share)));
    const alarms = Array.from(
      { length: 300 },
      () => embeddingShift(many('billing'), many('billing')).pValue < 0.05,
    );
    expect(alarms.filter(Boolean).length / alarms.length).toBeLessThan(0.08);
    const moved = embeddingShift(many('billing'), many('weather'));
    expect(moved.pValue).toBeLessThan(1e-6);
    expect(moved.distance).toBeGreaterThan(0.2);
    // Half of them talk of something else now.
    expect(embeddingShift(many('billing'), many('weather', 0.5)).pValue).toBeLessThan(1e-3);
  });
});

const drifted = (compared: WindowComparison | undefined): string[] =>
  (compared?.features ?? []).filter(({ hasDrifted }) => hasDrifted).map(({ feature }) => feature);

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
      found.push(...drifted(monitor.observe(request(mean, errors))));
    return found;
  };

  it('raises no alarm over a hundred windows of the same', () => {
    expect(run(new DriftMonitor(), 50_500)).toEqual([]);
  });

  it('sees that other things are asked though as long and as well answered, and nothing where the same are', () => {
    const ask = (monitor: DriftMonitor, requests: number, field: 'billing' | 'weather'): string[] =>
      Array.from({ length: requests }, (_, index) => {
        const points = index % 4 === 0 ? { points: { prompt: point(sentence(field)) } } : {};
        return drifted(monitor.observe({ ...request(0, 0.01), ...points }));
      }).flat();
    const monitor = new DriftMonitor();
    expect(ask(monitor, 20_500, 'billing')).toEqual([]);
    expect(ask(monitor, 500, 'weather')).toEqual(['prompt']);
    expect(ask(monitor, 500, 'billing')).toEqual([]);
  });

  it('names what changed in the window in which it changed', () => {
    const monitor = new DriftMonitor();
    expect(run(monitor, 1_000)).toEqual([]);
    expect(run(monitor, 500, 1)).toEqual(['promptTokens']);
    expect(run(monitor, 500, 0, 0.2)).toEqual(['outcome']);
    expect(run(monitor, 500)).toEqual([]);
  });
});
