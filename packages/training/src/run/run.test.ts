import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { checkpointIntervalMs, EarlyStopping, meanTimeBetweenFailuresMs, NoiseScale } from './index.ts';

describe('checkpoint interval', () => {
  const hour = 3_600_000;
  /** Share of time that is lost: saving, and half an interval with each failure (first order). */
  const lost = (interval: number, cost: number, mtbf: number): number =>
    cost / interval + (interval + cost) / (2 * mtbf);

  it('is near the square root of twice cost times time between failures', () => {
    // Llama 3 405B: 3.1 h between failures; a save of 30 s.
    expect(checkpointIntervalMs(30_000, 3.1 * hour)).toBeGreaterThan(
      Math.sqrt(2 * 30_000 * 3.1 * hour) * 0.97,
    );
    expect(checkpointIntervalMs(30_000, 3.1 * hour)).toBeLessThan(Math.sqrt(2 * 30_000 * 3.1 * hour));
  });

  it.each([
    [100, 24 * hour],
    [60_000, 3 * hour],
    [600_000, hour],
  ])('loses no more time than any other interval: cost %i ms, %i ms between failures', (cost, mtbf) => {
    const chosen = lost(checkpointIntervalMs(cost, mtbf), cost, mtbf);
    for (const factor of [0.3, 0.5, 2, 3])
      expect(chosen).toBeLessThanOrEqual(lost(checkpointIntervalMs(cost, mtbf) * factor, cost, mtbf));
  });

  it('saves rarely where saving takes as long as nothing fails', () => {
    expect(checkpointIntervalMs(3 * hour, hour)).toBe(hour);
  });

  it('believes what it was told until it has seen more', () => {
    expect(meanTimeBetweenFailuresMs(24 * hour, { runningMs: 0, interruptions: 0 })).toBe(24 * hour);
    expect(meanTimeBetweenFailuresMs(24 * hour, { runningMs: 6 * hour, interruptions: 9 })).toBe(3 * hour);
  });
});

describe('early stopping', () => {
  it('is enough after `patience` looks without a fall of more than `minimumDelta`', () => {
    const stopping = new EarlyStopping({ patience: 2, minimumDelta: 0.1 });
    const losses = [3, 2.5, 2.45, 2.3, 2.35, 2.25];
    expect(losses.map((loss, at) => stopping.look(at + 1, loss).isEnough)).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  it('remembers the lowest of all looks, also one that fell by too little to go on for', () => {
    const stopping = new EarlyStopping({ patience: 2, minimumDelta: 0.1 });
    const lowest = [3, 2.95, 2.97].map((loss, at) => stopping.look(at + 1, loss).isLowest);
    expect(lowest).toEqual([true, true, false]);
    expect(stopping.state).toEqual({
      lowest: { step: 2, loss: 2.95 },
      reference: { step: 1, loss: 3 },
      since: [2, 3],
    });
  });

  it('goes on counting in a later attempt, and takes the looks after its checkpoint again', () => {
    const options = { patience: 3, minimumDelta: 0 };
    const first = new EarlyStopping(options);
    for (const [step, loss] of [
      [10, 2],
      [20, 3],
      [30, 3],
    ] as const)
      first.look(step, loss);
    const resumed = (resumedStep: number): EarlyStopping =>
      new EarlyStopping(options, { state: first.state ?? expect.fail('nothing seen'), resumedStep });
    expect(resumed(30).look(40, 3).isEnough).toBe(true);
    const second = resumed(25);
    expect([second.look(30, 3).isEnough, second.look(40, 3).isEnough]).toEqual([false, true]);
    // What it knows to come is no look without a better one.
    const third = resumed(0);
    expect(third.look(10, 2.5)).toEqual({ isLowest: false, isEnough: false });
    expect(third.state?.since).toEqual([]);
  });
});

describe('noise scale', () => {
  it('finds the noise scale of gradients that were made with a known one', () => {
    const random = createRandom(2);
    const gauss = (): number =>
      Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const [size, ranks, perRank] = [400, 4, 8];
    // Each gradient element is 0.1 and has noise of variance 1 a sequence: B = size · 1 / (size · 0.01) = 100.
    const scale = new NoiseScale(perRank, ranks * perRank);
    let found: number | undefined;
    for (let step = 0; step < 400; step += 1) {
      const gradients = Array.from({ length: ranks }, () =>
        Float64Array.from({ length: size }, () => 0.1 + gauss() / Math.sqrt(perRank)),
      );
      const squared = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0);
      const mean = Float64Array.from(
        { length: size },
        (_, at) => gradients.reduce((sum, one) => sum + (one[at] as number), 0) / ranks,
      );
      found = scale.add(gradients.reduce((sum, one) => sum + squared(one), 0) / ranks, squared(mean));
      if (step === 0) expect(found).toBeUndefined();
    }
    expect(found).toBeGreaterThan(85);
    expect(found).toBeLessThan(118);
  });
});
