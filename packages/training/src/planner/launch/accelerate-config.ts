/** Accelerate's configuration file, as `accelerate launch --config_file` reads it. */
import { microBatchesOf } from '../layout.ts';
import { type LaunchWriter, yamlFile } from './launch-file.ts';

export const accelerateConfig: LaunchWriter = (task, layout) => {
  const { devices, device } = task;
  const { zero, offload, tensor, pipeline, recompute } = layout;
  if ((layout.expert ?? 1) > 1)
    return { reason: 'Who shares out experts is written in the model there; ask for --expert 1.' };
  if (pipeline > 1) return { reason: 'Accelerate trains without a pipeline; ask for --pipeline 1.' };
  if (tensor > 1 && zero !== 2 && zero !== 3)
    return { reason: 'Accelerate cuts layers only together with FSDP; ask for --zero 3 or --tensor 1.' };
  const machines = Math.ceil(devices / device.devicesPerNode);
  const common = {
    compute_environment: 'LOCAL_MACHINE',
    mixed_precision: 'bf16',
    num_machines: machines,
    num_processes: devices,
    machine_rank: 0,
    use_cpu: false,
    main_training_function: 'main',
  } as const;
  const notes = [
    `gradient_accumulation_steps=${microBatchesOf(task, layout)} and the micro-batch of ${layout.microBatch} belong to the script.`,
  ];
  if (zero === 0 && tensor === 1)
    return yamlFile(
      'accelerate.yaml',
      { ...common, distributed_type: devices === 1 ? 'NO' : 'MULTI_GPU' },
      notes,
    );
  if (zero === 1 || offload !== 'none')
    return yamlFile(
      'accelerate.yaml',
      {
        ...common,
        distributed_type: 'DEEPSPEED',
        deepspeed_config: {
          gradient_accumulation_steps: microBatchesOf(task, layout),
          gradient_clipping: 1,
          zero_stage: zero,
          zero3_init_flag: zero === 3,
          offload_optimizer_device: offload === 'none' ? 'none' : 'cpu',
          offload_param_device: 'none',
        },
      },
      notes,
    );
  return yamlFile(
    'accelerate.yaml',
    {
      ...common,
      distributed_type: 'FSDP',
      fsdp_config: {
        fsdp_version: 2,
        fsdp_reshard_after_forward: zero === 3,
        fsdp_auto_wrap_policy: 'TRANSFORMER_BASED_WRAP',
        fsdp_activation_checkpointing: recompute === 'full',
        fsdp_offload_params: false,
        fsdp_state_dict_type: 'SHARDED_STATE_DICT',
      },
      ...(tensor > 1
        ? {
            parallelism_config: {
              parallelism_config_dp_shard_size: layout.data,
              parallelism_config_dp_replicate_size: 1,
              parallelism_config_tp_size: tensor,
              parallelism_config_cp_size: 1,
            },
          }
        : {}),
    },
    notes,
  );
};
