import { ranImageSchema } from './container-image.ts';
import { z } from 'zod';
import { outputFileSchema } from './job-data.ts';
import { baseShape, timeSchema } from './common.ts';
import { progressSchema } from './job-progress.ts';

export const jobStates = [
  'queued',
  'starting',
  'running',
  'stopping',
  'suspended',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

export const exitClasses = [
  'done',
  'user_error',
  'out_of_memory',
  'time_limit',
  'preempted',
  'suspended',
  'resized',
  'infrastructure',
  'cancelled',
] as const;
export type ExitClass = (typeof exitClasses)[number];

export const reasonSchema = z.object({ code: z.string(), tier: z.string(), message: z.string() }).loose();

export const attemptSchema = z.object({
  id: z.string(),
  epoch: z.number().int(),
  state: z.enum(['starting', 'running', 'ended']),
  placement: z.array(z.object({ rank: z.number(), node: z.string(), devices: z.array(z.string()) })),
  /** From here to `endedAt` it held its devices, and pays for them. */
  placedAt: timeSchema.optional(),
  startedAt: timeSchema.optional(),
  endedAt: timeSchema.optional(),
  exitClass: z.enum(exitClasses).optional(),
  exitMessage: z.string().optional(),
  image: ranImageSchema.optional(),
});

export const jobSchema = z.object({
  ...baseShape,
  queue: z.string(),
  user: z.string(),
  state: z.enum(jobStates),
  spec: z.unknown(),
  attempts: z.array(attemptSchema),
  progress: progressSchema.optional(),
  waiting: z
    .object({
      reasons: z.array(reasonSchema),
      position: z.number().optional(),
      ahead: z.array(z.string()).optional(),
      unblock: z.array(z.string()).optional(),
      /** Half of all start before p50, nine of ten before p90; learned from so many starts. */
      estimatedStart: z
        .object({ p50: timeSchema, p90: timeSchema, learnedFrom: z.number().int() })
        .optional(),
    })
    .optional(),
  /** It runs with fewer ranks than it could use; the sentences say why it has no more. */
  size: z
    .object({ ranks: z.number().int(), wanted: z.number().int(), reasons: z.array(z.string()) })
    .optional(),
  /** Somebody wants it to rest: it holds nothing, or is on its way there, until it is resumed. */
  suspended: z.object({ by: z.string(), at: timeSchema }).optional(),
  exitClass: z.enum(exitClasses).optional(),
  exitMessage: z.string().optional(),
  hint: z.string().optional(),
  stderrTail: z.array(z.string()).optional(),
  modelVersion: z.string().optional(),
  outputs: z.array(outputFileSchema).optional(),
  /** What went another way than asked without ending the job, in sentences. */
  notes: z.array(z.string()).optional(),
  deviceSeconds: z.number().optional(),
  startedAt: timeSchema.optional(),
  endedAt: timeSchema.optional(),
});
export type Job = z.output<typeof jobSchema>;
