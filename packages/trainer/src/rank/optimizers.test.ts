import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const train = {
  depth: 2,
  width: 64,
  heads: 2,
  kvHeads: 2,
  hidden: 96,
  batchTokens: 8 * 16,
  sampleEvery: 1000,
};

type Layout = {
  offload?: object;
  data?: number;
  pipeline?: number;
  tensor?: number;
  zero?: number;
  microBatches?: number;
};

describe('an optimiser', () => {
  for (const [optimizer, learningRate] of [
    ['sgd', 0.3],
    ['muon', 0.01],
    ['adafactor', 0.05],
  ] as const) {
    it(`${optimizer} learns, and takes the same steps however its state is spread (2e-5)`, async () => {
      const options = {
        train: { ...train, optimizer, learningRate, steps: 8 },
        checkpoint: { everySteps: 4, keep: 9 },
      };
      const alone = await scene.attempt({
        ...options,
        run: 'alone',
      });
      expect(alone.codes).toEqual([0]);
      expect(alone.losses.at(-1)).toBeLessThan((alone.losses[0] as number) - 0.1);
      const weights = await scene.parametersAt('alone', 8);
      for (const parallel of [
        { data: 2, zero: 1 },
        { data: 3, zero: 3 },
        { pipeline: 2, microBatches: 2 },
        ...(optimizer === 'sgd'
          ? [{ data: 2, zero: 3, offload: { parameters: true, chunkElements: 5000 } }]
          : []),
        ...(optimizer === 'adafactor' ? [{ data: 2, tensor: 2, zero: 2 }] : []),
      ] as Layout[]) {
        const run = JSON.stringify(parallel);
        const ranks = (parallel.data ?? 1) * (parallel.pipeline ?? 1) * (parallel.tensor ?? 1);
        expect((await scene.attempt({ ...options, run, ranks, parallel })).codes).toEqual(
          Array.from({ length: ranks }, () => 0),
        );
        expect(worstDifference(await scene.parametersAt(run, 8), weights), run).toBeLessThan(2e-5);
      }
    });
  }

  it('adafactor goes on from its factored moments in another layout (2e-5)', async () => {
    const options = {
      train: { ...train, optimizer: 'adafactor', learningRate: 0.05, steps: 8 },
      checkpoint: { everySteps: 4, keep: 9 },
    };
    await scene.attempt({ ...options, run: 'alone' });
    const parallel = { data: 2, tensor: 2, zero: 3 };
    const resumeFrom = scene.checkpointAt('alone', 4);
    const { codes } = await scene.attempt({ ...options, run: 'spread', ranks: 4, parallel, resumeFrom });
    expect(codes).toEqual([0, 0, 0, 0]);
    const [spread, alone] = [await scene.parametersAt('spread', 8), await scene.parametersAt('alone', 8)];
    expect(worstDifference(spread, alone)).toBeLessThan(2e-5);
    // And back: moments that four ranks saved are whole again.
    const backFrom = scene.checkpointAt('spread', 8);
    const longer = { ...options, train: { ...options.train, steps: 12 } };
    await scene.attempt({ ...longer, run: 'back', resumeFrom: backFrom });
    await scene.attempt({ ...longer, run: 'on', resumeFrom: scene.checkpointAt('alone', 8) });
    const [back, on] = [await scene.parametersAt('back', 12), await scene.parametersAt('on', 12)];
    expect(worstDifference(back, on)).toBeLessThan(5e-5);
  });

  it('of another name than the checkpoint’s is refused, and so is Muon on columns', async () => {
    await scene.attempt({ train: { ...train, optimizer: 'sgd', steps: 4 } });
    const other = await scene.attempt({ train: { ...train, steps: 8 } });
    expect(other.codes).toEqual([64]);
    expect(ofType(other.reports, 'fault')[0]?.message).toContain('was trained with sgd, not with adamw');
    const columns = await scene.attempt({
      run: 'columns',
      ranks: 2,
      train: { ...train, optimizer: 'muon' },
      parallel: { tensor: 2 },
    });
    expect(columns.codes).toEqual([64, 64]);
    expect(ofType(columns.reports, 'fault')[0]).toMatchObject({ code: 'bad_layout' });
  });
});
