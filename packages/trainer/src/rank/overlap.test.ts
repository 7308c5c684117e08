/** Gradients that leave while the backward pass goes on: the same training. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

const steps = 4;
const train = {
  depth: 3,
  width: 64,
  heads: 2,
  kvHeads: 2,
  hidden: 96,
  batchTokens: 8 * 16,
  steps,
  sampleEvery: 1000,
};

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('an overlapped sum', () => {
  it('learns what one rank learns, with accumulation, tensor ranks and a pipeline too (loss and weights 2e-5)', async () => {
    const follow = async (run: string, ranks: number, parallel?: Record<string, unknown>) => {
      const losses: number[] = [];
      const onStep = ({ loss }: { loss: number }, rank: number): void => {
        if (rank === 0) losses.push(loss);
      };
      const { codes } = await scene.attempt({ run, ranks, train, onStep, ...(parallel && { parallel }) });
      expect(codes, run).toEqual(codes.map(() => 0));
      return { losses, weights: await scene.parametersAt(run, steps) };
    };
    const alone = await follow('alone', 1);
    const layouts: readonly (readonly [number, Record<string, unknown>])[] = [
      [2, { data: 2, overlap: true }],
      [3, { data: 3, overlap: true, microBatches: 2 }],
      [4, { data: 2, tensor: 2, overlap: true }],
      [4, { data: 2, pipeline: 2, microBatches: 2, overlap: true }],
    ];
    for (const [ranks, parallel] of layouts) {
      const { losses, weights } = await follow(JSON.stringify(parallel), ranks, parallel);
      for (const [step, loss] of losses.entries())
        expect(Math.abs(loss - (alone.losses[step] as number)), `${step}`).toBeLessThan(2e-5);
      expect(worstDifference(weights, alone.weights), JSON.stringify(parallel)).toBeLessThan(2e-5);
    }
  });

  it('is refused beside what sums otherwise', async () => {
    for (const parallel of [
      { data: 2, overlap: true, zero: 1 },
      { data: 2, overlap: true, compression: { kind: 'bf16' } },
    ]) {
      const { codes, reports } = await scene.attempt({ run: 'no', ranks: 2, train, parallel });
      expect(codes).toEqual([64, 64]);
      expect(ofType(reports, 'fault')[0]).toMatchObject({ code: 'bad_layout' });
    }
  });
});
