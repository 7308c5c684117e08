/**
 * What things cost, by date: a record carries the price of its own date, so a new price never rewrites the past.
 */
import { GantryError, type PricedResource, priceListSchema } from '@gantry/contract';

export interface Price {
  readonly perUnit: number;
  readonly currency: string;
}

export interface PriceBook {
  /** The price that held at that moment (ISO time). */
  priceOf(resource: PricedResource, at: string): Price;
}

const gigabyteMonth = 1e9 * 730;

/** One unit is a second, a token, a byte kept for an hour. */
const defaults = {
  cpu_seconds: { perUnit: 0.04 / 3600, currency: 'USD' },
  gpu_seconds: { perUnit: 2 / 3600, currency: 'USD' },
  prompt_tokens: { perUnit: 0.1 / 1e6, currency: 'USD' },
  completion_tokens: { perUnit: 0.4 / 1e6, currency: 'USD' },
  stored_byte_hours: { perUnit: 0.02 / gigabyteMonth, currency: 'USD' },
} as const satisfies Readonly<Record<PricedResource, Price>>;

/** An operator's list over the defaults, which hold before its first date. Throws `data_invalid`. */
export function createPriceBook(list: unknown = []): PriceBook {
  const parsed = priceListSchema.safeParse(list);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new GantryError('data_invalid', `the price list: ${issue?.path.join('.')}: ${issue?.message}`, {
      hint: '[{"resource": "gpu_seconds", "from": "2026-01-01T00:00:00Z", "perUnit": 0.0005, "currency": "USD"}]',
    });
  }
  const newestFirst = parsed.data
    .map((entry) => ({ ...entry, fromMs: Date.parse(entry.from) }))
    .sort((one, other) => other.fromMs - one.fromMs);
  return {
    priceOf: (resource, at) => {
      const atMs = Date.parse(at);
      const found = newestFirst.find((entry) => entry.resource === resource && entry.fromMs <= atMs);
      return found === undefined ? defaults[resource] : { perUnit: found.perUnit, currency: found.currency };
    },
  };
}
