import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ofType,
  openTrainingScene,
  type AttemptOptions,
  type TrainingScene,
} from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const train = {
  width: 64,
  heads: 2,
  kvHeads: 2,
  hidden: 96,
  steps: 30,
  batchTokens: 8 * 16,
  sampleEvery: 1000,
};

async function follow(run: string, options: AttemptOptions) {
  const { codes, reports, losses } = await scene.attempt({
    run,
    ...options,
    train: { ...train, ...options.train },
  });
  expect(codes).toEqual(codes.map(() => 0));
  return { losses, reports };
}

describe('half precision', () => {
  it('follows float32 within its rounding: 0.05 for bf16, 0.01 for fp16, in one graph and in stages', async () => {
    const full = await follow('fp32', {});
    for (const [precision, band] of [
      ['bf16', 0.05],
      ['fp16', 0.01],
    ] as const) {
      const one = await follow(precision, { train: { precision } });
      const staged = await follow(`${precision}-staged`, {
        ranks: 2,
        train: { precision },
        parallel: { data: 2, zero: 2 },
      });
      expect(one.losses.length).toBe(train.steps);
      for (const [step, loss] of full.losses.entries()) {
        expect(Math.abs((one.losses[step] as number) - loss), `${precision} step ${step + 1}`).toBeLessThan(
          band,
        );
        expect(
          Math.abs((staged.losses[step] as number) - loss),
          `${precision} step ${step + 1}`,
        ).toBeLessThan(band);
      }
      // It is not float32 by another name.
      expect(one.losses).not.toEqual(full.losses);
    }
  });

  it('clips by the norm of the gradients themselves, not by that of the scaled ones', async () => {
    // A step of SGD is as long as its gradient: cut by a norm 65,536 times too large it would go nowhere.
    const options = { optimizer: 'sgd', learningRate: 1, clipNorm: 0.05, steps: 12 };
    const full = await follow('fp32', { train: options });
    const half = await follow('fp16', { train: { ...options, precision: 'fp16' } });
    expect(full.losses.at(-1)).toBeLessThan((full.losses[0] as number) - 0.1);
    for (const [step, loss] of full.losses.entries())
      expect(Math.abs((half.losses[step] as number) - loss), `step ${step + 1}`).toBeLessThan(0.01);
  });

  it('keeps one scale for all micro-batches of a step: an overflow in one leaves out the whole step, once', async () => {
    let isStruck = false;
    const { losses, reports } = await follow('accumulated', {
      ranks: 2,
      train: { precision: 'fp16', steps: 6 },
      parallel: { data: 2, microBatches: 4 },
      onGradients: (step, gradients, rank) => {
        if (rank !== 0 || step !== 3 || isStruck) return;
        isStruck = true;
        gradients[3] = Number.NaN;
      },
    });
    expect(losses.length).toBe(6);
    const scales = ofType(reports, 'metric').flatMap(({ values }) => values['lossScale'] ?? []);
    expect(scales).toEqual([32_768]);
    const { manifest } = await scene.checkpoint('accumulated', 6);
    expect(manifest.position).toBe(7 * 8);
  });

  it('leaves out a step that overflows, on every rank, halves the scale and learns on; a checkpoint keeps the scale', async () => {
    const overflow = new Set<number>();
    const options: AttemptOptions = {
      run: 'overflow',
      ranks: 2,
      train: { precision: 'fp16', steps: 12 },
      onGradients: (step, gradients, rank) => {
        if (rank === 1 && step === 6 && !overflow.has(step)) {
          overflow.add(step);
          gradients[5] = Number.POSITIVE_INFINITY;
        }
      },
    };
    const { losses, reports } = await follow('overflow', options);
    expect(losses.length).toBe(12);
    const scales = ofType(reports, 'metric').flatMap(({ step, values }) =>
      values['lossScale'] === undefined ? [] : [{ step, scale: values['lossScale'] }],
    );
    expect(scales).toEqual([{ step: 6, scale: 32_768 }]);
    expect(ofType(reports, 'fault')).toEqual([]);
    const { manifest } = await scene.checkpoint('overflow', 12);
    expect(manifest.lossScale).toEqual({ scale: 32_768, goodSteps: 7 });
    // One batch more than steps was read.
    expect(manifest.position).toBe(13 * 8);
  });
});
