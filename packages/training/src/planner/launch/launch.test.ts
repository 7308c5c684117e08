import { describe, expect, it } from 'vitest';
import { parseDeviceList } from '../device-list.ts';
import { type Layout, type TrainingTask, currentSoftware } from '../layout.ts';
import { namedModels } from '../named-models.ts';
import { launchWriters } from './index.ts';

function taskOf(name: string): TrainingTask {
  const model = namedModels.find((each) => each.name === name);
  if (model === undefined) throw new Error(name);
  const { count, device } = parseDeviceList('16xA100-80GB');
  return { model, sequenceLength: 4_096, batch: 64, device, devices: count, software: currentSoftware };
}

const task = taskOf('llama-3-8b');
const shards: Layout = {
  data: 16,
  tensor: 1,
  pipeline: 1,
  virtualStages: 1,
  zero: 3,
  recompute: 'full',
  offload: 'none',
  microBatch: 2,
  sequenceParallel: false,
};
const grid: Layout = {
  ...shards,
  data: 2,
  tensor: 4,
  pipeline: 2,
  virtualStages: 4,
  zero: 1,
  microBatch: 1,
  sequenceParallel: true,
};

function textOf(launcher: keyof typeof launchWriters, layout: Layout, of = task): string {
  const file = launchWriters[launcher](of, layout);
  if ('reason' in file) throw new Error(file.reason);
  return file.text;
}

describe('a layout in the words of a launcher', () => {
  it('DeepSpeed: micro-batch × accumulation × ranks is the batch, in its own keys', () => {
    const config = JSON.parse(textOf('deepspeed', shards)) as Record<string, number> & {
      zero_optimization: Record<string, unknown>;
    };
    const { train_micro_batch_size_per_gpu: micro = 0, gradient_accumulation_steps: steps = 0 } = config;
    expect(micro * steps * shards.data).toBe(config['train_batch_size']);
    expect(config.zero_optimization).toMatchObject({
      stage: 3,
      overlap_comm: true,
      contiguous_gradients: true,
      stage3_gather_16bit_weights_on_model_save: true,
    });
    const away = JSON.parse(textOf('deepspeed', { ...shards, offload: 'optimizer' })) as typeof config;
    expect(away.zero_optimization['offload_optimizer']).toEqual({ device: 'cpu', pin_memory: true });
  });

  it('Megatron: every size that the layout fixes', () => {
    const flags = textOf('megatron', grid).trim().split('\n');
    for (const flag of [
      '--tensor-model-parallel-size 4',
      '--pipeline-model-parallel-size 2',
      '--num-layers-per-virtual-pipeline-stage 4',
      '--sequence-parallel',
      '--use-distributed-optimizer',
      '--recompute-granularity full',
      '--num-query-groups 8',
      '--swiglu',
      '--global-batch-size 64',
    ])
      expect(flags).toContain(flag);
  });

  it('Accelerate: plain, DeepSpeed or FSDP, whichever has the stage', () => {
    expect(textOf('accelerate', { ...shards, zero: 0 })).toContain('distributed_type: MULTI_GPU');
    expect(textOf('accelerate', { ...shards, zero: 1 })).toContain('zero_stage: 1');
    expect(textOf('accelerate', shards)).toContain('fsdp_reshard_after_forward: true');
    expect(textOf('accelerate', { ...shards, data: 4, tensor: 4 })).toContain(
      'parallelism_config_tp_size: 4',
    );
  });

  it('FSDP: as TrainingArguments', () => {
    expect(JSON.parse(textOf('fsdp', shards))).toMatchObject({
      per_device_train_batch_size: 2,
      gradient_accumulation_steps: 2,
      fsdp: 'full_shard auto_wrap',
      fsdp_config: { reshard_after_forward: true, activation_checkpointing: true },
    });
  });

  it('ours: a job file', () => {
    const text = textOf('gantry', { ...grid, virtualStages: 1 }, taskOf('mistral-7b'));
    expect(text).toContain(
      '  tensor: 4\n  pipeline: 2\n  zero: 1\n  microBatches: 32\n  recompute: layer\n  sequenceParallel: true\n',
    );
    expect(text).toContain('batchTokens: 262144');
    expect(textOf('gantry', grid, taskOf('mistral-7b'))).toContain(
      '  microBatches: 32\n  schedule: interleaved\n  virtualStages: 4\n',
    );
  });

  it.each([
    ['deepspeed', grid],
    ['fsdp', grid],
    ['fsdp', { ...shards, zero: 1 }],
    ['fsdp', { ...shards, offload: 'optimizer' }],
    ['accelerate', grid],
    ['accelerate', { ...grid, pipeline: 1, virtualStages: 1 }],
  ] as const)('%s says why it has none, and what to ask for', (launcher, layout) => {
    const file = launchWriters[launcher](task, layout);
    expect('reason' in file ? file.reason : '').toMatch(/ask for --|script/);
  });

  it.each([
    ['llama-3-8b', shards],
    ['mistral-7b', { ...shards, zero: 0, offload: 'optimizer' }],
  ] as const)('ours has no vast vocabulary, no offload without ZeRO: %s', (name, layout) => {
    expect(launchWriters.gantry(taskOf(name), layout)).toHaveProperty('reason');
  });
});
