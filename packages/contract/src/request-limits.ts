import { z } from 'zod';

/** Of everybody who uses the scope together; absent means none. */
export const requestLimits = z.strictObject({
  requestsPerMinute: z.number().int().positive().optional(),
  tokensPerMinute: z.number().int().positive().optional(),
  concurrentRequests: z.number().int().positive().optional(),
});
export type RequestLimits = z.output<typeof requestLimits>;
