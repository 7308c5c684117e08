import { z } from 'zod';

/** A batch whose loss is no number, or with `spikeFactor` many times the median of the steps before it. */
export const badBatchSchema = z.strictObject({
  /** `skip`: no update is made of it. `rollback`: back to the newest checkpoint, and on with the batches after it. */
  action: z.enum(['stop', 'skip', 'rollback']).default('stop'),
  spikeFactor: z.number().min(1.05).max(1000).optional(),
  /** Bad batches in one attempt; one more stops it. */
  limit: z.number().int().min(0).max(10_000).default(10),
});
export type BadBatch = z.output<typeof badBatchSchema>;

/** Training ends when the held-out loss, looked at every `sampleEvery` steps, does not fall any more. */
export const earlyStoppingSchema = z.strictObject({
  /** Looks without a better one. */
  patience: z.number().int().min(1).max(10_000),
  minimumDelta: z.number().min(0).default(0),
});

/** A step grows by doubling to the noise scale of its gradients, and its learning rate with it (docs/training/noise-scale.md). */
export const adaptBatchSchema = z.strictObject({
  maximumTokens: z.number().int().min(128).max(1_073_741_824),
});

/** These steps of every rank are written as traces (Chrome's format) beside the checkpoints, in `profile/`. */
export const profileSchema = z.strictObject({
  fromStep: z.number().int().min(1).max(10_000_000).default(3),
  steps: z.number().int().min(1).max(1000).default(5),
});
