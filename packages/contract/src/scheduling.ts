/** How the platform schedules, as operators set it, and what its last cycles decided. */
import { z } from 'zod';
import { durationSchema, nameSchema, timeSchema } from './common.ts';

const levelName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);

/** Nodes that are scheduled apart from the others; a queue says which pool its work runs in. */
export const poolSchema = z.strictObject({
  /** Labels a node must carry to belong to the pool. */
  nodes: z.record(z.string().min(1).max(200), z.string().max(200)),
  order: z.string().max(50).optional(),
  placement: z.string().max(50).optional(),
});

export const ruleSchema = z.strictObject({
  name: nameSchema,
  when: z.string().min(1).max(2000),
  /** Added to the priority. */
  priority: z.number().int().min(-1000).max(1000).optional(),
  pool: nameSchema.optional(),
  preemptible: z.boolean().optional(),
});

export const schedulingPolicyWrite = z.strictObject({
  /** Order of the queues that name none of their own and whose pool names none. */
  order: z.string().max(50).optional(),
  placement: z.string().max(50).optional(),
  preemption: z.boolean().optional(),
  reservation: z.boolean().optional(),
  /** What a queue used lately counts against it, half of it after each half-life. */
  fairShare: z
    .strictObject({
      halfLife: durationSchema,
      /** Each start counts as if its devices had been in use so long already. */
      entryPenalty: durationSchema.optional(),
    })
    .optional(),
  /** Moving small work with young checkpoints together for what only fits then. */
  defragmentation: z.strictObject({ movesPerHour: z.number().int().min(0).max(10_000) }).optional(),
  /** Capacity kept for peaks that come with the hour: so far ahead, and at most this part of all devices. */
  ahead: z.strictObject({ horizon: durationSchema, most: z.number().min(0).max(1) }).optional(),
  topology: z
    .strictObject({
      /** Names of the levels, widest first; the host comes last and needs no name. */
      levels: z.array(levelName).min(1).max(16).readonly(),
      /** Domains of each node by its name, parallel to `levels`; nodes not named here say it with labels. */
      nodes: z.record(nameSchema, z.array(z.string().min(1).max(200)).max(16).readonly()).default({}),
    })
    .optional(),
  pools: z.record(nameSchema, poolSchema).optional(),
  /** Conditions on workload, queue, time and load (docs/scheduling.md); every rule that holds applies. */
  rules: z.array(ruleSchema).max(200).readonly().optional(),
});

const held = z
  .object({ target: z.number(), part: z.number(), of: z.number().int() })
  .nullable()
  .meta({ description: 'which part of the truths stayed below the guess, of how many' });
const guessSchema = z.object({ p50: held, p90: held });

export const schedulingPolicySchema = schedulingPolicyWrite.extend({
  fairShare: z
    .object({
      halfLife: z.number().meta({ description: 'seconds' }),
      entryPenalty: z.number().optional().meta({ description: 'seconds' }),
    })
    .optional(),
  ahead: z.object({ horizon: z.number().meta({ description: 'seconds' }), most: z.number() }).optional(),
  version: z.number().int(),
  /** The names that can be chosen. */
  choices: z.object({ order: z.array(z.string()), placement: z.array(z.string()) }),
  /** How often guesses held since the server started. */
  calibration: z.object({ runtime: guessSchema, start: guessSchema }),
});

/** Devices that a queue deserves, had together: so many on each of so many nodes. */
const queueShape = z.strictObject({
  nodes: z.number().int().min(1).max(100_000),
  devices: z.number().int().min(1).max(1000),
});

/** How one queue is ordered and where its work runs; what is left out is inherited. */
export const queuePolicyWrite = z.strictObject({
  order: z.string().max(50).nullable().optional(),
  pool: nameSchema.nullable().optional(),
  /** Work running for less is not evicted. */
  minRuntime: durationSchema.nullable().optional(),
  /** Devices it may have beyond what it deserves, at most. */
  borrow: z.number().min(0).nullable().optional(),
  /** Devices of what it deserves that others may have while it does not ask, at most. */
  lend: z.number().min(0).nullable().optional(),
  shape: queueShape.nullable().optional(),
});
export const queuePolicySchema = z.object({
  queue: z.string(),
  order: z.string().optional(),
  pool: z.string().optional(),
  minRuntimeMs: z.number().optional(),
  borrow: z.number().optional(),
  lend: z.number().optional(),
  shape: queueShape.optional(),
  /** What holds for it in the end. */
  effective: z.object({ order: z.string(), pool: z.string().optional() }),
});

export const decisionSchema = z.object({
  number: z.number().int(),
  at: timeSchema,
  tookMs: z.number(),
  placements: z.number().int(),
  evictions: z.number().int(),
  waiting: z.number().int(),
  error: z.string().optional(),
});
/** With all that is needed to plan it again. */
export const decisionRecordSchema = decisionSchema.extend({
  options: z.record(z.string(), z.unknown()),
  snapshot: z.record(z.string(), z.unknown()),
  plan: z.record(z.string(), z.unknown()).nullable(),
});

/** What would be planned under a policy that is not set: the present one unless another is given. */
export const schedulingTrialWrite = z.strictObject({
  policy: schedulingPolicyWrite.optional(),
  /** Jobs submitted in this time, at most the newest 20,000. */
  last: durationSchema.prefault('7d'),
});
/** In the planner's own form, to be replayed by `gantry simulate --from-server`. */
export const schedulingTrialSchema = z.object({
  nowMs: z.number(),
  world: z.record(z.string(), z.unknown()),
  jobs: z.array(z.record(z.string(), z.unknown())),
  /** Names of queues as people write them, by id; with their tenant where two have the same. */
  queueNames: z.record(z.string(), z.string()),
});
