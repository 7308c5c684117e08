import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSafetensors } from '@gantry/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

const figures = ({ reports }: AttemptOutcome): Readonly<Record<string, unknown>> =>
  ofType(reports, 'metric').at(-1)?.values ?? {};
const sentBytes = ({ reports }: AttemptOutcome): unknown =>
  ofType(reports, 'metric').at(-1)?.values['dataSentBytes'];
const facts = ({ reports }: AttemptOutcome): Readonly<Record<string, unknown>> =>
  ofType(reports, 'facts')[0]?.values ?? {};

it('a file as DeepSpeed takes it trains as the same said in the job, all of its keys kept to', async () => {
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
  expect(facts(outcome)['deepspeed']).toEqual([]);
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

describe('under ZeRO, with the same bits,', () => {
  const run = async (name: string, stage: number, keys: Record<string, unknown> = {}) => {
    const deepspeed = { zero_optimization: { stage, ...keys } };
    const outcome = await attempt(name, { parallel: { data: 2 }, train: { deepspeed, steps: 3 } });
    expect(outcome.codes).toEqual([0, 0]);
    return { outcome, ...figures(outcome), weights: await scene.parametersAt(name, 3) };
  };
  const embeddingBytes = 4 * 270 * 32;

  it('stage 1 sums no more than a bucket at once, and gathers no more than one', async () => {
    const whole = await run('whole', 1);
    const cut = await run('cut', 1, { reduce_bucket_size: 500, allgather_bucket_size: 300 });
    expect(cut.weights).toEqual(whole.weights);
    expect(whole).toMatchObject({
      zeroLargestSumBytes: embeddingBytes,
      zeroLargestGatherBytes: embeddingBytes,
    });
    expect(cut).toMatchObject({ zeroLargestSumBytes: 4 * 500, zeroLargestGatherBytes: 4 * 300 });
    expect(sentBytes(cut.outcome)).toBe(sentBytes(whole.outcome));
  });

  it('stage 3 so too, keeps small parameters whole and brings layers before their turn', async () => {
    const none = await run('none', 3, { stage3_prefetch_bucket_size: 100 });
    expect(none).toMatchObject({ zeroLargestGatherBytes: embeddingBytes, zeroEarlyLayers: 0 });
    expect(facts(none.outcome)).toMatchObject({ layersAhead: 0 });
    const sent = ({ outcome }: { outcome: AttemptOutcome }): number => Number(sentBytes(outcome));
    const kept = ({ outcome }: { outcome: AttemptOutcome }): number =>
      Number(facts(outcome)['parameterBytes']) - Number(facts(none.outcome)['parameterBytes']);

    const cut = await run('cut', 3, { reduce_bucket_size: 500, allgather_bucket_size: 300 });
    expect(cut.weights).toEqual(none.weights);
    expect(cut).toMatchObject({ zeroLargestSumBytes: 4 * 500, zeroLargestGatherBytes: 4 * 300 });
    expect(sent(cut)).toBe(sent(none));

    // Two norms a layer, and the last one.
    const norms = await run('norms', 3, { stage3_param_persistence_threshold: 32 });
    expect(norms.weights).toEqual(none.weights);
    expect(facts(norms.outcome)['persistentParameters']).toBe(2 * 3 + 1);
    expect(kept(norms)).toBe((2 * 3 + 1) * 32 * 4);
    expect(sent(norms)).toBeLessThan(sent(none));

    // Where all stay, a step sends each element once to sum and once to share.
    const all = await run('all', 3, { stage3_param_persistence_threshold: 1e9 });
    expect(all.weights).toEqual(none.weights);
    expect(all).toMatchObject({ zeroGathers: 0 });
    expect(sent(all)).toBe(3 * kept(all));

    // Forward the second and third layer, backward the first: the second is still there.
    const early = await run('early', 3, { stage3_prefetch_bucket_size: 8000 });
    expect(early.weights).toEqual(none.weights);
    expect(early).toMatchObject({ zeroEarlyLayers: 3 * 3 });
  });
});

it('overlap_comm lets gradients leave early where ranks have whole ones', async () => {
  const deepspeed = { zero_optimization: { stage: 0, overlap_comm: true, reduce_bucket_size: 9000 } };
  const early = await attempt('early', { parallel: { data: 2 }, train: { deepspeed } });
  const said = await attempt('said', { parallel: { data: 2, overlap: true } });
  expect(early.codes).toEqual([0, 0]);
  const difference = worstDifference(
    await scene.parametersAt('early', 6),
    await scene.parametersAt('said', 6),
  );
  expect(difference).toBeLessThan(2e-5);
  expect(sentBytes(early)).toBe(sentBytes(said));
});

it.each([
  ['bf16', {}, 'BF16'],
  ['fp16', { fp16: { enabled: true } }, 'F16'],
])('stage3_gather_16bit_weights_on_model_save exports %s', async (_, precision, dtype) => {
  const zero = { stage: 3, stage3_gather_16bit_weights_on_model_save: true };
  const deepspeed = { ...precision, zero_optimization: zero };
  const { codes } = await attempt('half', { parallel: { data: 2 }, train: { deepspeed, steps: 2 } });
  expect(codes).toEqual([0, 0]);
  const { tensors } = parseSafetensors(
    await readFile(join(scene.root, 'half', 'export', 'model.safetensors')),
  );
  expect(new Set(tensors.map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
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
