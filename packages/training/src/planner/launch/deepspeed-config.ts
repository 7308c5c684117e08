/** DeepSpeed's JSON, in its own keys (deepspeed.ai, "DeepSpeed Configuration JSON"). */
import { microBatchesOf } from '../layout.ts';
import { layerParameters } from '../model-shape.ts';
import { type LaunchWriter, jsonFile } from './launch-file.ts';

export const deepspeedConfig: LaunchWriter = (task, layout) => {
  const { zero, offload, tensor, pipeline, microBatch, recompute } = layout;
  if ((layout.expert ?? 1) > 1)
    return { reason: 'Who shares out experts is written in the model there; ask for --expert 1.' };
  if (pipeline > 1)
    return {
      reason: 'A pipeline of DeepSpeed is written in the script (PipelineModule); ask for --pipeline 1.',
    };
  const bucket = Math.min(5e8, layerParameters(task.model));
  return jsonFile(
    'ds_config.json',
    {
      train_batch_size: task.batch,
      train_micro_batch_size_per_gpu: microBatch,
      gradient_accumulation_steps: microBatchesOf(task, layout),
      gradient_clipping: 1,
      bf16: { enabled: true },
      data_types: { grad_accum_dtype: task.software.gradientBytes === 4 ? 'fp32' : 'bf16' },
      ...(tensor > 1 ? { tensor_parallel: { autotp_size: tensor } } : {}),
      zero_optimization: {
        stage: zero,
        ...(zero === 0
          ? {}
          : {
              overlap_comm: task.software.overlapsGradients,
              contiguous_gradients: true,
              reduce_bucket_size: bucket,
            }),
        ...(zero === 3
          ? {
              stage3_prefetch_bucket_size: bucket,
              stage3_param_persistence_threshold: 10 * task.model.width,
              stage3_max_live_parameters: 3 * layerParameters(task.model),
              stage3_max_reuse_distance: 2 * layerParameters(task.model),
              stage3_gather_16bit_weights_on_model_save: true,
            }
          : {}),
        ...(offload === 'none' ? {} : { offload_optimizer: { device: 'cpu', pin_memory: true } }),
      },
    },
    recompute === 'none'
      ? []
      : ['Call model.gradient_checkpointing_enable(): DeepSpeed leaves recompute to the model.'],
  );
};
