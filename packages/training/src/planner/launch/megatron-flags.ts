/** Megatron-LM's command line (megatron/training/arguments.py of NVIDIA/Megatron-LM). */
import type { Layout, TrainingTask } from '../layout.ts';
import type { ModelShape } from '../model-shape.ts';
import type { LaunchWriter } from './launch-file.ts';

type Flag = readonly [string, (number | string)?];

export const megatronFlags: LaunchWriter = (task, layout) => {
  const { optimiser } = task.software;
  if (optimiser === 'muon' || optimiser === 'adafactor')
    return { reason: `Megatron-LM has no ${optimiser}; ask for --optimizer adamw or sgd.` };
  return {
    name: 'megatron.flags',
    text: [...modelFlags(task), ...layoutFlags(task, layout)]
      .map(([flag, value]) => (value === undefined ? `--${flag}` : `--${flag} ${value}`))
      .join('\n')
      .concat('\n'),
    notes: [],
  };
};

function modelFlags({ model, sequenceLength }: TrainingTask): readonly Flag[] {
  return [
    ['num-layers', model.layers],
    ['hidden-size', model.width],
    ['ffn-hidden-size', model.hidden],
    ['num-attention-heads', model.heads],
    ...attentionFlags(model),
    ['seq-length', sequenceLength],
    ['max-position-embeddings', Math.max(sequenceLength, model.positions)],
    ...(model.isGated ? ([['swiglu']] as const) : []),
    ...(model.experts === undefined
      ? []
      : ([
          ['num-experts', model.experts.count],
          ['moe-router-topk', model.experts.top],
        ] as const)),
    ...(model.normVectors === 1 ? ([['normalization', 'RMSNorm']] as const) : []),
    ...(model.positions === 0 ? ([['position-embedding-type', 'rope']] as const) : []),
    ...(model.hasBias ? [] : ([['disable-bias-linear']] as const)),
    ...(model.isTied ? [] : ([['untie-embeddings-and-output-weights']] as const)),
    ...(model.hasDropout
      ? []
      : ([
          ['attention-dropout', 0],
          ['hidden-dropout', 0],
        ] as const)),
  ];
}

function attentionFlags({ heads, kvHeads, headWidth, width }: ModelShape): readonly Flag[] {
  return [
    ...(kvHeads === heads ? [] : ([['group-query-attention'], ['num-query-groups', kvHeads]] as const)),
    ...(headWidth * heads === width ? [] : ([['kv-channels', headWidth]] as const)),
  ];
}

function layoutFlags(task: TrainingTask, layout: Layout): readonly Flag[] {
  const { tensor, pipeline, virtualStages, zero, recompute, offload, microBatch, expert = 1 } = layout;
  const { software, batch, model } = task;
  const chunk = model.layers / (pipeline * virtualStages);
  return [
    ['tensor-model-parallel-size', tensor],
    ['pipeline-model-parallel-size', pipeline],
    ...(model.experts === undefined ? [] : ([['expert-model-parallel-size', expert]] as const)),
    ...(virtualStages > 1 ? ([['num-layers-per-virtual-pipeline-stage', chunk]] as const) : []),
    ...(layout.sequenceParallel ? ([['sequence-parallel']] as const) : []),
    ['micro-batch-size', microBatch],
    ['global-batch-size', batch],
    ['bf16'],
    ...(software.optimiser === 'sgd' ? ([['optimizer', 'sgd']] as const) : []),
    ...(software.attention === 'flash' ? ([['use-flash-attn']] as const) : []),
    ...(zero >= 1 ? ([['use-distributed-optimizer']] as const) : []),
    ...(zero >= 2
      ? ([
          ['use-megatron-fsdp'],
          ['data-parallel-sharding-strategy', zero === 3 ? 'optim_grads_params' : 'optim_grads'],
          ['ckpt-format', 'fsdp_dtensor'],
        ] as const)
      : []),
    ...(software.overlapsGradients && zero >= 1
      ? ([['overlap-grad-reduce'], ['overlap-param-gather']] as const)
      : []),
    ...(recompute === 'selective' ? ([['recompute-granularity', 'selective']] as const) : []),
    ...(recompute === 'full'
      ? ([
          ['recompute-granularity', 'full'],
          ['recompute-method', 'uniform'],
          ['recompute-num-layers', 1],
        ] as const)
      : []),
    ...(offload === 'none' ? [] : ([['optimizer-cpu-offload']] as const)),
  ];
}
