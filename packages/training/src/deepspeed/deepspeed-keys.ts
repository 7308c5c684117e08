/**
 * Every key of DeepSpeed's configuration (deepspeed.ai, "DeepSpeed Configuration JSON") that is known here: acted
 * upon, kept to in another way with a sentence, or taken with one value only. What is not in the table is refused.
 */
import { adamWDefaults } from '../optimizer/adamw.ts';
import { lossScaleStart } from '../optimizer/loss-scale.ts';
import type { DeepSpeedSettings } from './deepspeed-settings.ts';

/** Answers what is wrong with the value, or undefined. */
export type KeyRule =
  | {
      readonly kind: 'acts';
      take(this: void, value: unknown, settings: DeepSpeedSettings): string | undefined;
    }
  /** Kept to in another way, unless the value is what is done anyway. */
  | { readonly kind: 'said'; readonly sentence: string; readonly unless?: unknown };

type Fields<Type> = {
  [Key in keyof DeepSpeedSettings]-?: DeepSpeedSettings[Key] extends Type | undefined ? Key : never;
}[keyof DeepSpeedSettings];

const whole = (field: Fields<number>, least = 1): KeyRule => ({
  kind: 'acts',
  take: (value, settings) => {
    if (!Number.isSafeInteger(value) || (value as number) < least)
      return `is no whole number from ${least} on`;
    settings[field] = value as number;
    return undefined;
  },
});

const positive = (field: Fields<number>): KeyRule => ({
  kind: 'acts',
  take: (value, settings) => {
    if (typeof value !== 'number' || !(value > 0)) return 'is no number above 0';
    settings[field] = value;
    return undefined;
  },
});

const only = (wanted: readonly unknown[], because: string): KeyRule => ({
  kind: 'acts',
  take: (value) =>
    wanted.some((one) => JSON.stringify(one) === JSON.stringify(value))
      ? undefined
      : `can be ${wanted.map((one) => JSON.stringify(one)).join(' or ')} only: ${because}`,
});

const precision = (name: 'fp16' | 'bf16'): KeyRule => ({
  kind: 'acts',
  take: (value, settings) => {
    if (value === true) settings.precision = name;
    return typeof value === 'boolean' ? undefined : 'is neither true nor false';
  },
});

const device = (field: 'offloadMoments' | 'offloadParameters'): KeyRule => ({
  kind: 'acts',
  take: (value, settings) => {
    // On a CPU what is "offloaded to the CPU" is where it is already.
    if (value === 'nvme') settings[field] = true;
    return ['none', 'cpu', 'nvme'].includes(value as string) ? undefined : 'is none of none, cpu and nvme';
  },
});

const path: KeyRule = {
  kind: 'acts',
  take: (value, settings) => {
    if (typeof value !== 'string' || value === '') return 'is no path';
    settings.offloadDirectory = value;
    return undefined;
  },
};

const said = (sentence: string, unless?: unknown): KeyRule => ({ kind: 'said', sentence, unless });

const flag = (field: Fields<boolean>): KeyRule => ({
  kind: 'acts',
  take: (value, settings) => {
    if (typeof value === 'boolean') settings[field] = value;
    return typeof value === 'boolean' ? undefined : 'is neither true nor false';
  },
});

const always = said('it is so with either value');
const pinned = said('memory of the CPU needs no pinning');

export const deepSpeedKeys: Readonly<Record<string, KeyRule>> = {
  train_batch_size: whole('batchSequences'),
  train_micro_batch_size_per_gpu: whole('microSequences'),
  gradient_accumulation_steps: whole('microBatches'),
  gradient_clipping: positive('clipNorm'),
  'fp16.enabled': precision('fp16'),
  'fp16.auto_cast': always,
  'fp16.loss_scale': only([0], 'the loss is scaled by what overflows'),
  'fp16.initial_scale_power': only([Math.log2(lossScaleStart.scale)], 'scaling starts at 65,536'),
  'fp16.loss_scale_window': only([2000], 'the scale doubles after 2,000 good steps'),
  'fp16.hysteresis': said('the scale is halved at the first overflow'),
  'fp16.min_loss_scale': said('the scale ends at 1'),
  'bf16.enabled': precision('bf16'),
  'data_types.grad_accum_dtype': only(['fp32'], 'gradients are added up in 32 bits'),
  'optimizer.type': only(['AdamW', 'Adam'], 'name others by train.optimizer'),
  'optimizer.params.lr': positive('learningRate'),
  'optimizer.params.weight_decay': {
    kind: 'acts',
    take: (value, settings) => {
      if (typeof value !== 'number' || value < 0) return 'is no number from 0 on';
      settings.weightDecay = value;
      return undefined;
    },
  },
  'optimizer.params.betas': only([[adamWDefaults.beta1, adamWDefaults.beta2]], 'these are fixed'),
  'optimizer.params.eps': only([adamWDefaults.epsilon], 'it is fixed'),
  'optimizer.params.adam_w_mode': only([true], 'decay is decoupled (AdamW)'),
  'optimizer.params.torch_adam': always,
  'scheduler.type': only(['WarmupCosineLR'], 'the rate rises, then falls by a cosine'),
  'scheduler.params.warmup_num_steps': whole('warmupSteps', 0),
  'scheduler.params.total_num_steps': said('train.steps says it'),
  'scheduler.params.cos_min_ratio': only([0.1], 'the rate ends at a tenth'),
  'scheduler.params.warmup_min_ratio': only([0], 'the rate begins at nothing'),
  'tensor_parallel.autotp_size': whole('tensor'),
  'zero_optimization.stage': whole('zero', 0),
  'zero_optimization.overlap_comm': flag('overlap'),
  'zero_optimization.contiguous_gradients': said('gradients always lie in one piece of the arena', true),
  'zero_optimization.reduce_scatter': always,
  'zero_optimization.reduce_bucket_size': whole('reduceElements'),
  'zero_optimization.allgather_partitions': always,
  'zero_optimization.allgather_bucket_size': whole('gatherElements'),
  'zero_optimization.round_robin_gradients': said('each rank owns a part of every layer'),
  'zero_optimization.ignore_unused_parameters': always,
  'zero_optimization.elastic_checkpoint': said('checkpoints are read at any number of ranks'),
  'zero_optimization.load_from_fp32_weights': always,
  'zero_optimization.sub_group_size': whole('updateElements'),
  'zero_optimization.stage3_prefetch_bucket_size': whole('prefetchElements', 0),
  'zero_optimization.stage3_param_persistence_threshold': whole('persistentElements', 0),
  'zero_optimization.stage3_max_live_parameters': whole('liveElements'),
  'zero_optimization.stage3_max_reuse_distance': whole('reuseElements', 0),
  'zero_optimization.stage3_gather_16bit_weights_on_model_save': flag('exportsHalf'),
  'zero_optimization.offload_optimizer.device': device('offloadMoments'),
  'zero_optimization.offload_optimizer.nvme_path': path,
  'zero_optimization.offload_optimizer.buffer_count': whole('offloadBuffers'),
  'zero_optimization.offload_optimizer.pin_memory': pinned,
  'zero_optimization.offload_optimizer.pipeline': said('one buffer is read ahead, one written behind'),
  'zero_optimization.offload_optimizer.pipeline_read': said('the next buffer is always read ahead'),
  'zero_optimization.offload_optimizer.pipeline_write': said('the last buffer is always written behind'),
  'zero_optimization.offload_optimizer.fast_init': always,
  'zero_optimization.offload_optimizer.ratio': only([1], 'moments are offloaded whole'),
  'zero_optimization.offload_param.device': device('offloadParameters'),
  'zero_optimization.offload_param.nvme_path': path,
  'zero_optimization.offload_param.buffer_count': said(
    'a layer is one buffer; how many stay says max_live_parameters',
  ),
  'zero_optimization.offload_param.buffer_size': said('a buffer is as large as the largest layer'),
  'zero_optimization.offload_param.max_in_cpu': said('the page cache keeps what has room'),
  'zero_optimization.offload_param.pin_memory': pinned,
  prescale_gradients: only([false], 'gradients are means over the whole batch'),
  gradient_predivide_factor: only([1], 'gradients are means over the whole batch'),
  steps_per_print: said('progress is reported twice a second'),
  wall_clock_breakdown: said('train.profile and the metrics at the end have it'),
  dump_state: always,
  zero_allow_untested_optimizer: always,
  'activation_checkpointing.partition_activations': said('parallel.recompute decides what is kept'),
  'activation_checkpointing.cpu_checkpointing': said('parallel.recompute decides what is kept'),
};
