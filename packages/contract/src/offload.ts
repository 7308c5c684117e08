import { z } from 'zod';

/** AdamW's moments in a file instead of memory; docs/training/offload.md says what it costs. Needs ZeRO 1 or higher. */
export const offloadSchema = z.strictObject({
  /** Also the parameters that a rank owns (ZeRO 3). */
  parameters: z.boolean().default(false),
  /** Of a fast disk; the run's own unless given. */
  directory: z.string().min(1).max(4096).optional(),
  /** Elements of each kind that are in memory at one time, of each buffer. */
  chunkElements: z.number().int().min(1024).max(1_000_000_000).default(4_194_304),
  /** One is read into, one is updated, one is written from. */
  buffers: z.number().int().min(1).max(16).default(3),
});
