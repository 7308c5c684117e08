/** How far a job is, as its own words and the machine tell. */
import { z } from 'zod';

export const progressSchema = z.object({
  step: z.number().optional(),
  totalSteps: z.number().optional(),
  loss: z.number().nullable().optional(),
  firstLoss: z.number().nullable().optional(),
  tokensPerSecond: z.number().optional(),
  etaSeconds: z.number().optional(),
  learningRate: z.number().optional(),
  validationLoss: z.number().optional(),
  /** Of a bigram model of the same tokens on the same held-out files: what `validationLoss` should beat. */
  bigramLoss: z.number().optional(),
  sample: z.object({ prompt: z.string(), text: z.string() }).optional(),
  checkpointStep: z.number().optional(),
  checkpointPath: z.string().optional(),
  device: z.string().optional(),
  /** What rank 0 of our own runtime has in its arena. */
  memory: z
    .object({
      allocatedBytes: z.number(),
      reservedBytes: z.number(),
      peakBytes: z.number(),
      /** The longest free run: what the next buffer may take without more from the system. */
      largestFreeBytes: z.number(),
    })
    .optional(),
  /** Of the accelerators it holds on the server's machine, all ranks together, as the driver last told. */
  deviceMemory: z
    .object({
      usedBytes: z.number(),
      /** The most that was seen in use; absent where the driver does not tell whose memory it is. */
      peakBytes: z.number().optional(),
      totalBytes: z.number(),
      /** Held by the driver: nobody can have it. */
      reservedBytes: z.number(),
      /** The most that one process might still get of one device. */
      largestFreeBytes: z.number(),
    })
    .optional(),
  /** The rank that all wait for: it computes so many times as long as the others of its stage. */
  straggler: z.object({ rank: z.number().int(), slowdown: z.number() }).optional(),
  at: z.string().optional(),
});
