/** How many replicas an endpoint has, and what decides it. */
import { z } from 'zod';

/** What one replica should carry; the busiest of the targets decides. */
export const scalingTargets = z.strictObject({
  /** Requests in progress or waiting. */
  concurrency: z.number().positive().optional(),
  /** Mean of the last 60 s. */
  queriesPerSecond: z.number().positive().optional(),
  /** Requests waiting for a replica. */
  queue: z.number().positive().optional(),
  meanMs: z.number().positive().optional(),
  p99Ms: z.number().positive().optional(),
  tokensPerSecond: z.number().positive().optional(),
  /** Of the cores that it asked for; above 100 where it takes idle cores of the machine. */
  cpuPercent: z.number().positive().max(1_000).optional(),
  /** Resident, of the memory that it asked for. */
  memoryPercent: z.number().positive().max(100).optional(),
  /** Busy part of the devices that it holds. */
  devicePercent: z.number().positive().max(100).optional(),
});

export const scalingSchema = z
  .strictObject({
    min: z.number().int().min(0).max(1000).default(1),
    max: z.number().int().min(1).max(1000),
    target: scalingTargets.prefault({ concurrency: 4 }),
    /** `predictive` starts replicas ahead of a forecast rise; `reactive` follows (Knative's rule). */
    policy: z.enum(['reactive', 'predictive']).default('reactive'),
    /** Idle for so long before zero, where `min` is 0. */
    idleSeconds: z.number().int().min(1).max(86_400).default(60),
    /** A lower number must have been right for so long. */
    scaleDownSeconds: z.number().int().min(0).max(86_400).default(60),
  })
  .refine(({ min, max }) => min <= max, { path: ['min'], message: 'must not be above max' });
export type Scaling = z.output<typeof scalingSchema>;
