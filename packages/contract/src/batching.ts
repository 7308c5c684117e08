/** How a tensor model's requests are joined, and what its sessions compute with (docs/serving.md). */
import { z } from 'zod';

/** How long a request may wait, and with how many others. */
const waitingShape = {
  maxQueueSize: z.number().int().min(1).max(100_000).optional(),
  timeoutMs: z.number().positive().max(600_000).optional(),
  timeoutAction: z.enum(['reject', 'delay']).optional(),
};

export const batchingSchema = z.strictObject({
  maxBatchSize: z.number().int().min(1).max(4096).optional(),
  preferredSizes: z.array(z.number().int().min(1).max(4096)).max(16).optional(),
  maxDelayMs: z.number().min(0).max(10_000).optional(),
  ...waitingShape,
  preserveOrder: z.boolean().optional(),
  /** Levels of priority a request may name; 1 is the most urgent. */
  priorityLevels: z.number().int().min(1).max(16).optional(),
  /** Of requests that name none. */
  defaultPriority: z.number().int().min(1).max(16).optional(),
  /** By level, in place of what is said for all of them. */
  levels: z
    .record(
      z.string().regex(/^([1-9]|1[0-6])$/, 'must be a level from 1 to 16'),
      z.strictObject(waitingShape),
    )
    .optional(),
  /** Sessions of a replica that compute at the same time; they share its cores. */
  instances: z.number().int().min(1).max(64).optional(),
  /** Each computing thread keeps to a core of its own, where the replica has enough of them. */
  pinThreads: z.boolean().optional(),
  /** Weights in files beside the model's stay mapped: replicas of a machine share them, dense layers are slower. */
  mapWeights: z.boolean().optional(),
  /** Of ONNX Runtime, the preferred first; default: `cuda` before `cpu` where the replica has a GPU and the build is there. */
  providers: z
    .array(z.enum(['cpu', 'webgpu', 'cuda', 'tensorrt']))
    .min(1)
    .max(4)
    .optional(),
  /** Inputs of variable length are filled up with zeros to the next of these along their second dimension. */
  lengths: z.array(z.number().int().min(1).max(1_048_576)).min(1).max(16).optional(),
  /** What is longer than the last of `lengths`: computed as it is, cut, or refused. */
  overlong: z.enum(['keep', 'truncate', 'refuse']).optional(),
  /** A model with a memory: its state inputs, each with the output that it is next time. */
  sequence: z
    .strictObject({
      states: z
        .record(z.string().min(1).max(200), z.string().min(1).max(200))
        .refine((states) => Object.keys(states).length > 0, { message: 'names at least one state' }),
      idleSeconds: z.number().positive().max(86_400).default(60),
      /** Sequences open at once in a replica. */
      most: z.number().int().min(1).max(1_000_000).default(1_024),
    })
    .optional(),
});
export type Batching = z.output<typeof batchingSchema>;
