import { describe, expect, it } from 'vitest';
import { parseDeviceList } from '../planner/device-list.ts';
import { currentSoftware } from '../planner/layout.ts';
import { namedModels } from '../planner/named-models.ts';
import { deepspeedConfig } from '../planner/launch/deepspeed-config.ts';
import { readDeepSpeed } from './read-deepspeed.ts';

/** Of DeepSpeed's tutorials, "ZeRO-Infinity". */
const infinity = {
  train_batch_size: 16,
  gradient_accumulation_steps: 2,
  gradient_clipping: 1.0,
  bf16: { enabled: true },
  fp16: { enabled: false, loss_scale: 128 },
  steps_per_print: 'auto',
  zero_optimization: {
    stage: 3,
    overlap_comm: true,
    contiguous_gradients: true,
    reduce_bucket_size: 'auto',
    sub_group_size: 1e6,
    stage3_prefetch_bucket_size: 5e7,
    stage3_max_live_parameters: 1e9,
    stage3_max_reuse_distance: 1e9,
    stage3_gather_16bit_weights_on_model_save: true,
    offload_optimizer: { device: 'nvme', nvme_path: '/local_nvme', pin_memory: true, buffer_count: 4 },
    offload_param: { device: 'nvme', nvme_path: '/local_nvme', max_in_cpu: 1e9 },
  },
};

it('takes a file as DeepSpeed documents it, and says of each key how it is kept', () => {
  const { settings, notes, problems } = readDeepSpeed(infinity);
  expect(problems).toEqual([]);
  expect(settings).toEqual({
    batchSequences: 16,
    microBatches: 2,
    clipNorm: 1,
    precision: 'bf16',
    zero: 3,
    updateElements: 1e6,
    overlap: true,
    prefetchElements: 5e7,
    liveElements: 1e9,
    reuseElements: 1e9,
    exportsHalf: true,
    offloadMoments: true,
    offloadParameters: true,
    offloadDirectory: '/local_nvme',
    offloadBuffers: 4,
  });
  expect(notes.map((note) => note.split(':')[0])).toEqual([
    'zero_optimization.offload_optimizer.pin_memory',
    'zero_optimization.offload_param.max_in_cpu',
  ]);
});

describe('says what it cannot do', () => {
  it.each([
    [
      'a key that it does not know',
      { zero_optimization: { zero_hpz_partition_size: 8 } },
      'zero_hpz_partition_size',
    ],
    ['a loss scale that stays', { fp16: { enabled: true, loss_scale: 128 } }, 'fp16.loss_scale'],
    ['another optimiser', { optimizer: { type: 'Lamb' } }, 'optimizer.type'],
    ['a stage that is no number', { zero_optimization: { stage: 'three' } }, 'stage'],
    [
      'parameters without moments',
      { zero_optimization: { offload_param: { device: 'nvme' } } },
      'offload_param',
    ],
    ['no object at all', [1], 'deepspeed'],
  ])('%s', (_, config, key) => {
    const [problem] = readDeepSpeed(config).problems;
    expect(problem?.key).toContain(key);
    expect(problem?.message).not.toBe('');
  });
});

it('takes what `gantry plan` writes for DeepSpeed', () => {
  const model = namedModels[0];
  if (model === undefined) throw new Error('no model');
  const { count, device } = parseDeviceList('16xA100-80GB');
  const software = { ...currentSoftware, gradientBytes: 4 } as const;
  const task = { model, sequenceLength: 4096, batch: 64, device, devices: count, software };
  const layout = {
    data: 16,
    tensor: 1,
    pipeline: 1,
    virtualStages: 1,
    zero: 3,
    recompute: 'full',
    offload: 'none',
    microBatch: 2,
    sequenceParallel: false,
  } as const;
  const file = deepspeedConfig(task, layout);
  const { settings, problems } = readDeepSpeed(JSON.parse('text' in file ? file.text : '0'));
  expect(problems).toEqual([]);
  expect(settings).toMatchObject({ batchSequences: 64, microSequences: 2, microBatches: 2, zero: 3 });
});
