/** PyTorch FSDP as Hugging Face's Trainer takes it: `TrainingArguments(**json)` over torchrun. */
import { microBatchesOf } from '../layout.ts';
import { type LaunchWriter, jsonFile } from './launch-file.ts';

export const fsdpConfig: LaunchWriter = (task, layout) => {
  const { zero, offload, tensor, pipeline, microBatch, recompute } = layout;
  if ((layout.expert ?? 1) > 1)
    return { reason: 'Who shares out experts is written in the model there; ask for --expert 1.' };
  if (tensor > 1 || pipeline > 1)
    return { reason: "The Trainer's FSDP shards over data ranks only; ask for --tensor 1 --pipeline 1." };
  if (zero < 2) return { reason: 'FSDP shards gradients at least; ask for --zero 2 or --zero 3.' };
  if (offload !== 'none')
    return { reason: 'FSDP offloads parameters, not the optimiser alone; ask for --offload none.' };
  return jsonFile('fsdp.json', {
    per_device_train_batch_size: microBatch,
    gradient_accumulation_steps: microBatchesOf(task, layout),
    bf16: true,
    // Activation checkpointing belongs to FSDP here: the Trainer's own would gather every layer again.
    fsdp: zero === 3 ? 'full_shard auto_wrap' : 'shard_grad_op auto_wrap',
    fsdp_config: {
      version: 2,
      reshard_after_forward: zero === 3,
      auto_wrap_policy: 'TRANSFORMER_BASED_WRAP',
      activation_checkpointing: recompute === 'full',
      state_dict_type: 'SHARDED_STATE_DICT',
    },
  });
};
