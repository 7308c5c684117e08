import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createAbortableQueue,
  createId,
  createRandom,
  Histogram,
  formatBytes,
  formatDuration,
  nearest,
  parseByteSize,
  parseDuration,
  writeMetrics,
} from './index.ts';

describe('ids', () => {
  it('sort by creation time and do not repeat', () => {
    const ids = Array.from({ length: 100 }, (_, index) => createId('job', 1_700_000_000_000 + index));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(100);
  });
});

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, expected) => expect(parseDuration(text)).toBe(expected));
  it.each(['', '5', 'm', '5 minutes', '-3s'])('%j is no duration', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
  it.each([
    [850, '850 ms'],
    [12_300, '12 s'],
    [250_000, '4 min 10 s'],
    [11_520_000, '3 h 12 min'],
  ])('%d ms reads %s', (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));
});

describe('byte sizes', () => {
  it.each([
    ['2GiB', 2 * 1024 ** 3],
    ['1.5 GB', 1.5e9],
    ['100', 100],
  ])('%s is %d bytes', (text, bytes) => expect(parseByteSize(text)).toBe(bytes));
  it.each(['', 'x', '5 parsecs', '-1GB'])('%j is no size', (text) =>
    expect(parseByteSize(text)).toBeUndefined(),
  );
  it('prints decimal units', () => expect(formatBytes(14_200_000)).toBe('14 MB'));
});

describe('random', () => {
  it('repeats from the same seed and stays in range', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (seed, bound) => {
        const [one, other] = [createRandom(seed), createRandom(seed)];
        const drawn = Array.from({ length: 20 }, () => one.below(bound));
        expect(Array.from({ length: 20 }, () => other.below(bound))).toEqual(drawn);
        expect(drawn.every((value) => value >= 0 && value < bound)).toBe(true);
      }),
    );
  });
});

describe('abortable queue', () => {
  it('delivers what was pushed before it was closed, then ends', async () => {
    const queue = createAbortableQueue<number>();
    queue.push(1);
    queue.push(2);
    queue.close();
    queue.push(3);
    expect(await Array.fromAsync(queue)).toEqual([1, 2]);
  });
});

describe('did you mean', () => {
  it('finds a transposition and refuses nonsense', () => {
    expect(nearest('chekpoint', ['command', 'checkpoint'])).toBe('checkpoint');
    expect(nearest('zebra', ['command', 'checkpoint'])).toBeUndefined();
  });
});

describe('a histogram', () => {
  it('takes values to lie evenly within their bucket', () => {
    const histogram = new Histogram([10, 20, 40]);
    expect(histogram.quantile(0.5)).toBeUndefined();
    for (let value = 11; value <= 20; value++) histogram.record(value);
    for (let value = 0; value < 10; value++) histogram.record(30);
    expect([0.25, 0.5, 0.75].map((fraction) => histogram.quantile(fraction))).toEqual([15, 20, 30]);
    histogram.record(1_000);
    expect(histogram.quantile(1)).toBe(40);
  });
});

describe('metrics', () => {
  it('escapes label values', () => {
    expect(
      writeMetrics([{ name: 'a', help: 'h', type: 'gauge', samples: [{ labels: { x: 'q"\n' }, value: 1 }] }]),
    ).toBe('# HELP a h\n# TYPE a gauge\na{x="q\\"\\n"} 1\n');
  });

  it('writes a histogram as cumulative buckets with a sum and a count', () => {
    const value = new Histogram([0.1, 1]);
    for (const seconds of [0.05, 0.1, 0.5, 30]) value.record(seconds);
    expect(
      writeMetrics([{ name: 'a', help: 'h', type: 'histogram', samples: [{ labels: { x: 'y' }, value }] }]),
    ).toBe(
      [
        '# HELP a h',
        '# TYPE a histogram',
        'a_bucket{x="y",le="0.1"} 2',
        'a_bucket{x="y",le="1"} 3',
        'a_bucket{x="y",le="+Inf"} 4',
        'a_sum{x="y"} 30.65',
        'a_count{x="y"} 4',
        '',
      ].join('\n'),
    );
  });
});
