import { describe, expect, it } from 'vitest';
import { coarseKl } from './coarse-kl.ts';
import { compareAccuracy } from './accuracy.ts';
import { RowTally } from './row-tally.ts';
import { TextTally } from './text-tally.ts';

const logs = (...shares: readonly number[]) =>
  new Map(shares.map((share, token) => [token, Math.log(share)] as const));

describe('divergence of which only the likeliest tokens are known', () => {
  it('is none between equals, and more the further they are apart', () => {
    const source = logs(0.7, 0.2);
    expect(coarseKl(source, source)).toBeCloseTo(0);
    const near = coarseKl(source, logs(0.65, 0.25));
    expect(near).toBeGreaterThan(0);
    expect(coarseKl(source, logs(0.1, 0.8))).toBeGreaterThan(near);
  });

  it('stays a number where one or both think a token impossible', () => {
    const sure = new Map([
      [0, 0],
      [1, -Infinity],
    ]);
    expect(coarseKl(sure, sure)).toBeCloseTo(0);
    const wrong = coarseKl(logs(0.5, 0.5), sure);
    expect(wrong).toBeGreaterThan(40);
    expect(wrong).toBeLessThan(60);
  });

  it('is the whole one where all tokens are known, and never more than it', () => {
    const [source, candidate] = [
      [0.5, 0.3, 0.2],
      [0.4, 0.4, 0.2],
    ] as const;
    const whole = compareAccuracy([
      {
        source: Float64Array.from(source, Math.log),
        candidate: Float64Array.from(candidate, Math.log),
        actual: 0,
      },
    ]).meanKl;
    expect(coarseKl(logs(...source), logs(...candidate))).toBeCloseTo(whole, 6);
    expect(coarseKl(logs(0.5), logs(0.4))).toBeLessThanOrEqual(whole);
  });
});

describe('a tally of text', () => {
  it('gives the perplexity of what came, and how often both thought the same likeliest', () => {
    const tally = new TextTally<number>();
    const [sure, unsure] = [logs(0.9, 0.1), logs(0.4, 0.6)];
    tally.add({ logprob: Math.log(0.9), top: sure }, { logprob: Math.log(0.9), top: sure });
    tally.add({ logprob: Math.log(0.4), top: unsure }, { logprob: Math.log(0.9), top: sure });
    const { perplexity, comparison } = tally.measured;
    expect(perplexity).toBeCloseTo(1 / Math.sqrt(0.36));
    expect(comparison).toMatchObject({ positions: 2, topAgreement: 0.5 });
    tally.add({ logprob: 0, top: sure });
    expect(tally.measured.comparison).toBeUndefined();
  });
});

describe('a tally of rows', () => {
  it('takes scores and probabilities alike, and counts what is labelled', () => {
    const tally = new RowTally();
    expect(tally.measured).toBeUndefined();
    tally.add(
      [0, 2, 0],
      [Math.E ** 0, Math.E ** 2, 1].map((each) => each / (2 + Math.E ** 2)),
      1,
    );
    tally.add([5, 0, 0], undefined, 2);
    expect(tally.measured).toMatchObject({ rows: 2, metrics: { accuracy: 0.5 } });
    expect(tally.measured?.comparison?.meanKl).toBeCloseTo(0);
    expect(() => tally.add([1, 2], [1, 2, 3], 0)).toThrow('3 classes');
  });
});
