/** What the gateway saw of an endpoint since the server started, by revision and by replica. */
import { z } from 'zod';

/** Milliseconds. */
const quantiles = z.object({ p50: z.number(), p95: z.number(), p99: z.number() });

const latencies = {
  requestMs: quantiles.optional(),
  /** First token; first byte where nothing streams. */
  ttftMs: quantiles.optional(),
  interTokenMs: quantiles.optional(),
};

const revisionStats = z.object({
  revision: z.string(),
  /** The version of the model: `name@3`. */
  model: z.string(),
  requests: z.number().int(),
  errors: z.number().int(),
  cancelled: z.number().int(),
  retries: z.number().int(),
  hedges: z.number().int(),
  promptTokens: z.number(),
  cachedTokens: z.number(),
  completionTokens: z.number(),
  ...latencies,
  /** At the price book's token prices. */
  costPerThousandRequests: z.number().optional(),
  /** Of tokens in and out. */
  costPerThousandTokens: z.number().optional(),
  /** Share of requests that did not fail on our side; those whose client left are not counted. */
  availability: z.number().optional(),
  /** Share of requests answered well within the endpoint's `latencyObjectiveMs`, where it has one. */
  goodput: z.number().optional(),
  /** Share of prompt tokens that a prefix cache had. */
  cacheHitShare: z.number().optional(),
});

const replicaStats = z.object({
  id: z.string(),
  revision: z.string(),
  inFlight: z.number(),
  pendingTokens: z.number(),
  /** In a row, of the connection or the process; they take it out for a moment. */
  failures: z.number(),
  requests: z.number().int(),
  errors: z.number().int(),
  promptTokens: z.number(),
  cachedTokens: z.number(),
  completionTokens: z.number(),
  ...latencies,
  /** Of the cores or devices that it holds, at the price book's prices. */
  costPerHour: z.number().optional(),
  /** What its machine cost since it serves, by what it answered meanwhile. */
  costPerThousandRequests: z.number().optional(),
  costPerThousandTokens: z.number().optional(),
  /** Of the cores and memory that it asked for, and of the devices that it holds. */
  cpuPercent: z.number().optional(),
  memoryPercent: z.number().optional(),
  devicePercent: z.number().optional(),
  /** What our own engines tell of themselves: batches, queue, tokens of keys and values in memory. */
  engine: z.record(z.string(), z.number()).optional(),
});
export type ReplicaStats = z.output<typeof replicaStats>;

/** What drift of a revision is seen by: its newest whole window of requests beside its first. */
const revisionDrift = z.object({
  revision: z.string(),
  /** Requests of a window, windows compared, requests of the one that fills now. */
  window: z.number().int(),
  windows: z.number().int(),
  filled: z.number().int(),
  /** Requests of which something was too large to be looked into. */
  partlyRead: z.number().int(),
  /** A feature must be as unlikely; absent until a window was compared. */
  pThreshold: z.number().optional(),
  /** The nearest to drifting first. */
  features: z.array(
    z.object({
      feature: z.string(),
      hasDrifted: z.boolean(),
      pValue: z.number(),
      /** The figure that must reach the threshold. */
      decidedBy: z.string(),
      threshold: z.number(),
      figures: z.record(z.string(), z.number()),
    }),
  ),
  featuresLeftOut: z.number().int(),
});

export const endpointStatsSchema = z.object({
  inFlight: z.number().int(),
  holding: z.number().int(),
  queriesPerSecond: z.number(),
  /** Requests of each of the last sixty seconds, the oldest first. */
  arrivals: z.array(z.number().int()),
  revisions: z.array(revisionStats),
  replicas: z.array(replicaStats),
  /** Of each revision that was asked. */
  drift: z.array(revisionDrift).optional(),
});
export type EndpointStats = z.output<typeof endpointStatsSchema>;
