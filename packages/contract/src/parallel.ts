import { z } from 'zod';
import { compressionSchema } from './compression.ts';
import { offloadSchema } from './offload.ts';

/** How a training job is spread over its ranks: data × tensor × pipeline of them. */
export const parallelSchema = z.strictObject({
  data: z.number().int().min(1).max(1024).default(1),
  tensor: z.number().int().min(1).max(64).default(1),
  pipeline: z.number().int().min(1).max(64).default(1),
  /** Data-parallel ranks that share out the experts of a mixture: tokens travel to them and back. */
  expert: z.number().int().min(1).max(1024).default(1),
  /** ZeRO stage over the data-parallel ranks: 1 optimiser state, 2 gradients, 3 parameters. */
  zero: z.number().int().min(0).max(3).default(0),
  /** Micro-batches a rank and step; undefined lets the trainer choose. */
  microBatches: z.number().int().min(1).max(4096).optional(),
  schedule: z.enum(['naive', 'gpipe', '1f1b', 'interleaved']).default('1f1b'),
  /** Chunks of layers a pipeline rank has, with `interleaved`: two unless given. */
  virtualStages: z.number().int().min(1).max(64).optional(),
  /** `layer`: activations inside a layer are computed again in the backward pass. */
  recompute: z.enum(['none', 'layer']).default('none'),
  compression: compressionSchema.optional(),
  /** Tensor ranks share out the residual stream and its norms by rows. */
  sequenceParallel: z.boolean().default(false),
  /** Data-parallel ranks sum the gradients of a layer while the ones before it are still computed. */
  overlap: z.boolean().default(false),
  offload: offloadSchema.optional(),
  /** `threads`: one process has all ranks, and `resources` are those of the process. */
  ranksAs: z.enum(['processes', 'threads']).default('processes'),
});

export const isOneProcess = ({
  parallel,
  replicas,
  minReplicas,
}: {
  readonly parallel?: z.output<typeof parallelSchema> | undefined;
  readonly replicas?: number | undefined;
  readonly minReplicas?: number | undefined;
}): boolean => parallel?.ranksAs !== 'threads' || ((replicas ?? 1) === 1 && minReplicas === undefined);

export const isFreelyData = (parallel: z.output<typeof parallelSchema> | undefined): boolean =>
  parallel === undefined || parallel.data * parallel.tensor * parallel.pipeline === 1;
