/** What a tenant's inference may take and cost. Set by an operator. */
import { z } from 'zod';
import { timeSchema } from './common.ts';
import { requestLimits } from './request-limits.ts';

export const servingLimits = z.strictObject({
  tenant: requestLimits.optional(),
  /** Of each API key, where it has none of its own. */
  eachKey: requestLimits.optional(),
  /** By key id. */
  keys: z.record(z.string().max(100), requestLimits).optional(),
  budget: z
    .strictObject({ amount: z.number().min(0), period: z.enum(['day', 'month', 'total']).default('month') })
    .optional(),
});
export type ServingLimits = z.output<typeof servingLimits>;
export const servingLimitsSchema = z.object({
  ...servingLimits.shape,
  spending: z
    .object({
      spent: z.number(),
      reserved: z.number(),
      available: z.number(),
      currency: z.string(),
      since: timeSchema,
    })
    .optional(),
});
