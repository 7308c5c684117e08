/**
 * What a worker says about its work: JSON lines appended to `GANTRY_REPORT_FILE`, by our trainer, by an
 * engine or by any user program. The runner tails the file, so nothing is lost while the server is away.
 */
import { z } from 'zod';
import { measuredSchema } from './model-gate.ts';

const at = z.string().max(40);
const scalar = z.number().nullable();

export const workerReportSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('progress'),
    at,
    step: z.number(),
    totalSteps: z.number().optional(),
    loss: scalar.optional(),
    tokensPerSecond: z.number().optional(),
    etaSeconds: z.number().optional(),
    learningRate: z.number().optional(),
    epoch: z.number().optional(),
  }),
  z.object({
    type: z.literal('metric'),
    at,
    step: z.number().optional(),
    values: z.record(z.string().max(200), scalar),
  }),
  z.object({
    type: z.literal('sample'),
    at,
    step: z.number().optional(),
    prompt: z.string(),
    text: z.string(),
  }),
  z.object({
    type: z.literal('checkpoint'),
    at,
    step: z.number(),
    path: z.string(),
    bytes: z.number().optional(),
    digest: z.string().optional(),
  }),
  z.object({
    type: z.literal('artifact'),
    at,
    kind: z.literal('model'),
    path: z.string(),
    formats: z.array(z.string()),
    metrics: z.record(z.string(), scalar).default({}),
    lineage: z.record(z.string(), z.unknown()).default({}),
  }),
  /** Of a job that evaluates a model; from any other it counts for nothing. */
  z.object({ type: z.literal('evaluation'), at, ...measuredSchema.shape }),
  /**
   * Of volumes with `onDemand`, as paths that the worker sees: what it will read next, the soonest first, and what it
   * will not read again for now. A file is there whole or not at all; `PATH.failed` says why it will not come.
   */
  z.object({
    type: z.literal('files'),
    at,
    want: z.array(z.string().max(4096)).max(1000),
    done: z.array(z.string().max(4096)).max(1000).default([]),
  }),
  z.object({ type: z.literal('facts'), at, values: z.record(z.string(), z.unknown()) }),
  z.object({
    type: z.literal('fault'),
    at,
    code: z.string().max(100),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);

export type WorkerReport = z.output<typeof workerReportSchema>;
export type WorkerReportInput = z.input<typeof workerReportSchema>;
