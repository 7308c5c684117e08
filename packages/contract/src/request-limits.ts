import { z } from 'zod';

/** Of everybody who uses the scope together; absent means none. */
export const requestLimits = z.strictObject({
  requestsPerMinute: z.number().int().positive().optional(),
  tokensPerMinute: z.number().int().positive().optional(),
  concurrentRequests: z.number().int().positive().optional(),
});
export type RequestLimits = z.output<typeof requestLimits>;

/**
 * A second replica is asked when the first has said nothing for so long; whoever answers first is listened to. Not for
 * models that keep something between requests.
 */
export const hedgingSchema = z.strictObject({
  /** Absent: as long as 95 % of the first bytes took, once 100 are known. */
  afterMs: z.number().positive().max(600_000).optional(),
});
export type Hedging = z.output<typeof hedgingSchema>;

/** Sampled requests are kept with their answers, redacted (docs/serving.md). */
export const payloadPolicy = z.strictObject({
  /** Share of the requests. */
  sample: z.number().gt(0).max(1),
  /** Names of fields whose values nobody may see, at any depth. */
  redact: z.array(z.string().min(1).max(100)).max(100).default([]),
});
export type PayloadPolicy = z.output<typeof payloadPolicy>;

/** One sampled request. A body that is binary, or larger than 64 KiB, is its size. */
export const payloadSchema = z.object({
  at: z.string(),
  id: z.string(),
  principalId: z.string(),
  revisionId: z.string().optional(),
  path: z.string(),
  status: z.number().int(),
  requestMs: z.number(),
  request: z.object({ bytes: z.number(), json: z.unknown().optional(), text: z.string().optional() }),
  answer: z.object({ bytes: z.number(), json: z.unknown().optional(), text: z.string().optional() }),
});
