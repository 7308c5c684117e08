import { z } from 'zod';

/** How data-parallel ranks without ZeRO make their gradients smaller on the way. docs/training/compression.md says what each costs. */
export const compressionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('bf16') }),
  z.strictObject({ kind: z.literal('fp16') }),
  /** Only this share of the gradients, the largest; the rest is added to the next step's. */
  z.strictObject({ kind: z.literal('topk'), ratio: z.number().positive().max(0.5).default(0.01) }),
  /** Each matrix as a product of this rank. */
  z.strictObject({ kind: z.literal('powersgd'), rank: z.number().int().min(1).max(256).default(4) }),
]);
