import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ofType, openTrainingScene, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
  // Among much of one kind, a little that nobody could guess.
  const random = createRandom(3);
  const letters = Array.from({ length: 64 }, () => String.fromCodePoint(97 + random.below(26)));
  await writeFile(join(scene.root, 'text', 'noise.txt'), letters.join(''));
});
afterEach(() => scene[Symbol.asyncDispose]());

const options = {
  ranks: 2,
  train: {
    steps: 45,
    batchTokens: 64,
    learningRate: 0.02,
    validationFraction: 0,
    sampleEvery: 1000,
  },
  checkpoint: { everySteps: 30, keep: 9 },
};

it.each([
  ['skip', /jumped to [\d.]+ at step \d+, from [\d.]+; the batch was left out/],
  [
    'rollback',
    /jumped to [\d.]+ at step \d+, from [\d.]+; training goes on from step \d+ with the batches after it/,
  ],
] as const)('a batch whose loss jumps: %s, and the run goes on to its end', async (action, says) => {
  const badBatch = { action, spikeFactor: 1.6, limit: 100 };
  const { codes, reports } = await scene.attempt({ ...options, train: { ...options.train, badBatch } });
  expect(codes).toEqual([0, 0]);
  const spikes = ofType(reports, 'fault').filter(({ code }) => code === 'loss_spike');
  expect(spikes.length).toBeGreaterThan(0);
  expect(spikes.some(({ message }) => says.test(message))).toBe(true);
  expect(ofType(reports, 'progress').at(-1)).toMatchObject({ step: 45 });
});

it('without a word about it a jump of the loss is the next batch’s affair; `stop` ends with the step and a hint', async () => {
  expect((await scene.attempt({ ...options, run: 'plain' })).codes).toEqual([0, 0]);
  const badBatch = { action: 'stop', spikeFactor: 1.6 };
  const { codes, reports } = await scene.attempt({ ...options, train: { ...options.train, badBatch } });
  expect(codes).toEqual([64, 64]);
  expect(ofType(reports, 'fault').at(-1)).toMatchObject({
    code: 'loss_spike',
    message: expect.stringMatching(/at step \d+/),
    hint: expect.stringContaining('badBatch'),
  });
});
