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
  it('learns what one rank learns, with accumulation, ZeRO, tensor ranks and a pipeline too (loss and weights 2e-5)', async () => {
    const follow = async (run: string, ranks: number, parallel?: Record<string, unknown>) => {
      const { codes, losses } = await scene.attempt({ run, ranks, train, ...(parallel && { parallel }) });
      expect(codes, run).toEqual(codes.map(() => 0));
      return { losses, weights: await scene.parametersAt(run, steps) };
    };
    const alone = await follow('alone', 1);
    const layouts: readonly (readonly [number, Record<string, unknown>])[] = [
      [2, { data: 2, overlap: true }],
      [3, { data: 3, overlap: true, microBatches: 2 }],
      [4, { data: 2, tensor: 2, overlap: true }],
      [4, { data: 2, pipeline: 2, microBatches: 2, overlap: true }],
      [2, { data: 2, zero: 1, microBatches: 2, overlap: true }],
      [3, { data: 3, zero: 2, microBatches: 2, overlap: true }],
      [2, { data: 2, zero: 3, overlap: true }],
    ];
    for (const [ranks, parallel] of layouts) {
      const { losses, weights } = await follow(JSON.stringify(parallel), ranks, parallel);
      for (const [step, loss] of losses.entries())
        expect(Math.abs(loss - (alone.losses[step] as number)), `${step}`).toBeLessThan(2e-5);
      expect(worstDifference(weights, alone.weights), JSON.stringify(parallel)).toBeLessThan(2e-5);
    }
  });

  it('sees the noise of the gradients as a sum afterwards does', async () => {
    const noiseOf = async (overlap: boolean): Promise<number[]> => {
      const scales: number[] = [];
      const onStep = ({ noiseScale }: { readonly noiseScale?: number | undefined }, rank: number): void => {
        if (rank === 0 && noiseScale !== undefined) scales.push(noiseScale);
      };
      // It takes some steps until there is a mean.
      const long = { steps: 14, sampleEvery: 1000 };
      await scene.attempt({
        run: `${overlap}`,
        ranks: 2,
        train: long,
        onStep,
        parallel: { data: 2, overlap },
      });
      return scales;
    };
    const [after, beside] = [await noiseOf(false), await noiseOf(true)];
    expect(after.length).toBeGreaterThan(0);
    expect(beside.length).toBe(after.length);
    for (const [index, scale] of after.entries())
      expect(Math.abs((beside[index] as number) / scale - 1)).toBeLessThan(1e-2);
  });

  it('is refused beside compression, and where ranks share no folder of sockets', async () => {
    const parallel = { data: 2, overlap: true };
    for (const options of [
      { parallel: { ...parallel, compression: { kind: 'bf16' } } },
      { parallel: { ...parallel, ranksAs: 'threads' }, areThreads: true },
    ]) {
      const ranks = 'areThreads' in options ? 1 : 2;
      const { codes, reports } = await scene.attempt({ run: 'no', ranks, train, ...options });
      expect(codes).toEqual(codes.map(() => 64));
      expect(ofType(reports, 'fault')[0]).toMatchObject({ code: 'bad_layout' });
    }
  });
});
