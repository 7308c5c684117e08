import { z } from 'zod';

/** What the ledger books. A unit is a second, a token, a byte kept for an hour. */
export const pricedResources = [
  'cpu_seconds',
  'gpu_seconds',
  'prompt_tokens',
  'completion_tokens',
  'stored_byte_hours',
] as const;
export type PricedResource = (typeof pricedResources)[number];

/** An operator's prices: each holds from its date until a later one of the same resource. */
export const priceListSchema = z.array(
  z.strictObject({
    resource: z.enum(pricedResources),
    from: z.iso.datetime(),
    perUnit: z.number().min(0),
    currency: z.string().regex(/^[A-Z]{3}$/, 'three capital letters, as in USD'),
  }),
);
