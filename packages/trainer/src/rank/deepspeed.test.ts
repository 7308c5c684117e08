import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  ofType,
  openTrainingScene,
  worstDifference,
  type AttemptOptions,
  type AttemptOutcome,
  type TrainingScene,
} from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const train = { depth: 3, steps: 6, batchTokens: 128, sampleEvery: 1000 };

async function attempt(run: string, options: AttemptOptions): Promise<AttemptOutcome> {
  return scene.attempt({
    run,
    ranks: 2,
    checkpoint: { everySteps: 3 },
    ...options,
    train: { ...train, ...options.train },
  });
}

const sentBytes = ({ reports }: AttemptOutcome): unknown =>
  ofType(reports, 'metric').at(-1)?.values['dataSentBytes'];
const facts = ({ reports }: AttemptOutcome): Readonly<Record<string, unknown>> =>
  ofType(reports, 'facts')[0]?.values ?? {};

it('a file as DeepSpeed takes it trains as the same said in the job, and its notes are among the facts', async () => {
  const clipNorm = 0.5;
  await attempt('said', { parallel: { data: 2, zero: 3, microBatches: 2 }, train: { clipNorm } });
  const config = {
    train_micro_batch_size_per_gpu: 2,
    gradient_accumulation_steps: 2,
    gradient_clipping: clipNorm,
    zero_optimization: {
      stage: 3,
      overlap_comm: true,
      sub_group_size: 3000,
      offload_optimizer: { device: 'nvme', nvme_path: join(scene.root, 'disk'), buffer_count: 2 },
      offload_param: { device: 'nvme', nvme_path: join(scene.root, 'disk') },
    },
  };
  await writeFile(join(scene.root, 'ds_config.json'), JSON.stringify(config));
  const outcome = await attempt('file', { parallel: { data: 2 }, train: { deepspeed: 'ds_config.json' } });
  expect(outcome.codes).toEqual([0, 0]);
  const difference = worstDifference(
    await scene.parametersAt('file', 6),
    await scene.parametersAt('said', 6),
  );
  expect(difference).toBeLessThan(2e-5);
  expect(facts(outcome)).toMatchObject({ zero: 3, microBatches: 2, optimiserBytes: 2 * 3 * 3000 * 4 });
  expect(facts(outcome)['deepspeed']).toEqual([expect.stringMatching(/^zero_optimization\.overlap_comm: ./)]);
  // What was offloaded is gone with the attempt.
  expect(await readdir(join(scene.root, 'disk'))).toEqual([]);
});

it('layers that may stay are gathered once a step instead of twice', async () => {
  const zero = (limits: Record<string, number>): Record<string, unknown> => ({
    zero_optimization: { stage: 3, ...limits },
  });
  const parallel = { data: 2 };
  const twice = await attempt('twice', { parallel, train: { deepspeed: zero({}) } });
  const once = await attempt('once', {
    parallel,
    train: { deepspeed: zero({ stage3_max_live_parameters: 1e9, stage3_max_reuse_distance: 1e9 }) },
  });
  expect(await scene.parametersAt('once', 6)).toEqual(await scene.parametersAt('twice', 6));
  expect(Number(sentBytes(once))).toBeLessThan(Number(sentBytes(twice)));
});

it.each([
  [
    'a key it does not know',
    { zero_optimization: { zero_quantized_weights: true } },
    'zero_quantized_weights',
  ],
  [
    'a limit below one layer',
    { zero_optimization: { stage: 3, stage3_max_live_parameters: 100 } },
    'Set it to',
  ],
  [
    'a batch that does not divide',
    { train_batch_size: 10, train_micro_batch_size_per_gpu: 2, gradient_accumulation_steps: 2 },
    'train_batch_size to 8',
  ],
  ['a file that is not there', 'nowhere.json', 'cannot be read'],
])('%s is refused with the way out', async (_, deepspeed, words) => {
  const { codes, reports } = await attempt('bad', { parallel: { data: 2 }, train: { deepspeed } });
  expect(codes).toEqual([64, 64]);
  const [fault] = ofType(reports, 'fault');
  expect(`${fault?.message} ${fault?.hint}`).toContain(words);
});
