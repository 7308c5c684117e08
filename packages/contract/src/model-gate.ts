/** Without what a version may not take traffic: how near it must be to its source, and what it must score. */
import { z } from 'zod';
import { timeSchema } from './common.ts';

/** As the platform names bytes. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits');

const metricName = z.string().min(1).max(100);
const bound = z
  .strictObject({ minimum: z.number().optional(), maximum: z.number().optional() })
  .refine(({ minimum, maximum }) => minimum !== undefined || maximum !== undefined, {
    message: 'needs a minimum or a maximum',
  });

export const modelGate = z.strictObject({
  /** Whose numbers count: those of evaluations that ran as jobs, or (`reported`) also what clients say. */
  evidence: z.enum(['measured', 'reported']).optional(),
  /** `derived`: versions converted or quantised from another; `always`: every one; `never`: none. */
  required: z.enum(['derived', 'always', 'never']).default('derived'),
  /** Mean Kullback-Leibler divergence from the source, in nats. */
  maximumKl: z.number().min(0).max(100).optional(),
  /** Share of positions at which source and candidate think the same likeliest. */
  minimumTopAgreement: z.number().min(0).max(1).optional(),
  /** The candidate's over the source's. */
  maximumPerplexityRatio: z.number().positive().max(1000).optional(),
  /** Of the evaluation, or as registered with the version. */
  metrics: z.record(metricName, bound).optional(),
});
export type ModelGate = z.output<typeof modelGate>;

const comparison = z.strictObject({
  positions: z.number().int().positive(),
  meanKl: z.number().min(0),
  topAgreement: z.number().min(0).max(1),
  sourcePerplexity: z.number().positive(),
  candidatePerplexity: z.number().positive(),
});

/** What was measured on data that neither version was trained on; the platform decides whether it is enough. */
export const measuredSchema = z.strictObject({
  comparison: comparison.optional(),
  metrics: z.record(metricName, z.number()).default({}),
  data: z.strictObject({
    digest: digestSchema,
    bytes: z.number().int().min(0),
  }),
});

export type Measured = z.output<typeof measuredSchema>;

export const evaluationCreate = measuredSchema
  .extend({
    /** The version it is compared with: `name@1`. */
    against: z.string().min(1).max(200).optional(),
  })
  .refine(({ against, comparison: compared }) => (against === undefined) === (compared === undefined), {
    path: ['comparison'],
    message: 'goes with against, and only with it',
  });
export type EvaluationCreate = z.output<typeof evaluationCreate>;

export const evaluationSchema = z.object({
  against: z.string().optional(),
  comparison: comparison.optional(),
  metrics: z.record(z.string(), z.number()),
  data: z.object({ digest: z.string(), bytes: z.number() }),
  at: timeSchema,
  by: z.string(),
  /** The endpoint that was asked, where the job did not compute the version itself. */
  through: z.string().optional(),
  /** The job that measured it; absent: whoever said so did. */
  job: z.string().optional(),
});
export type Evaluation = z.output<typeof evaluationSchema>;

export const gateStates = ['open', 'missing', 'failed', 'passed'] as const;
export const gateVerdictSchema = z.object({
  /** `open`: nothing is asked of it; `missing`: never evaluated as it must be. */
  state: z.enum(gateStates),
  why: z.array(z.string()),
});
export type GateVerdict = z.output<typeof gateVerdictSchema>;

/** Lets a version through that its gate holds back. */
export const gateOverride = z.object({
  /** Why; needs the right to admin, and stays in the event. */
  override: z.string().trim().min(3).max(500).optional(),
});
