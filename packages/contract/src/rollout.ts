/** How a new version takes over from the one that serves. */
import { z } from 'zod';
import { timeSchema } from './common.ts';

/** Requests with this header go to the rollout's version, whatever its share. */
const rolloutHeader = z.strictObject({
  name: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'must be the name of a header'),
  value: z.string().min(1).max(200),
});

export const rolloutModes = ['canary', 'shadow', 'ab'] as const;
export const rolloutCreate = z.strictObject({
  to: z.string().min(1).max(200),
  /** Of the traffic: answered by the new revision (canary, ab) or copied to it (shadow). */
  percent: z.number().min(0).max(100).default(10),
  /** `ab` keeps a user on an arm and is never decided for you; `shadow` answers nobody. */
  mode: z.enum(rolloutModes).default('canary'),
  /** A canary is promoted or rolled back by sequential tests; false: only told about. */
  automatic: z.boolean().default(true),
  /** Pairs of requests before a promotion. */
  minPairs: z.number().int().min(10).max(1_000_000).default(200),
  header: rolloutHeader.optional(),
});
export type RolloutCreate = z.output<typeof rolloutCreate>;

export const rolloutEvidence = z.object({
  metric: z.enum(['errors', 'latency', 'quality']),
  pairs: z.number().int(),
  /** Mean of new − stable; positive is worse. */
  difference: z.number(),
  worsePValue: z.number(),
  withinMarginPValue: z.number(),
});
export const rolloutSchema = z.object({
  model: z.string(),
  revision: z.string(),
  mode: z.enum(rolloutModes),
  percent: z.number(),
  header: rolloutHeader.optional(),
  automatic: z.boolean(),
  startedAt: timeSchema,
  verdict: z.enum(['wait', 'promote', 'rollback']),
  evidence: z.array(rolloutEvidence),
  /** Shadow answers compared, and how many were equal. */
  compared: z.number().int(),
  equal: z.number().int(),
});
