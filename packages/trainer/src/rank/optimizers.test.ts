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

describe('an optimiser', () => {
  for (const [optimizer, learningRate] of [
    ['sgd', 0.3],
    ['muon', 0.01],
  ] as const) {
    it(
      `${optimizer} learns, and takes the same steps however its state is spread (2e-5)`,
      { timeout: 60_000 },
      async () => {
        const options = {
          train: { ...train, optimizer, learningRate, steps: 8 },
          checkpoint: { everySteps: 4, keep: 9 },
        };
        const losses: number[] = [];
        const alone = await scene.attempt({
          ...options,
          run: 'alone',
          onStep: ({ loss }) => losses.push(loss),
        });
        expect(alone.codes).toEqual([0]);
        expect(losses.at(-1)).toBeLessThan((losses[0] as number) - 0.1);
        const weights = await scene.parametersAt('alone', 8);
        for (const parallel of [
          { data: 2, zero: 1 },
          { data: 3, zero: 3 },
          { pipeline: 2, microBatches: 2 },
        ]) {
          const run = JSON.stringify(parallel);
          const ranks = (parallel.data ?? 1) * (parallel.pipeline ?? 1);
          expect((await scene.attempt({ ...options, run, ranks, parallel })).codes).toEqual(
            Array.from({ length: ranks }, () => 0),
          );
          expect(worstDifference(await scene.parametersAt(run, 8), weights), run).toBeLessThan(2e-5);
        }
      },
    );
  }

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
