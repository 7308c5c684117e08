/** The price book's defaults; a record carries the price of its own date, so changing one never rewrites the past. */
export const prices = {
  cpu_seconds: { perUnit: 0.04 / 3600, currency: 'USD' },
  gpu_seconds: { perUnit: 2 / 3600, currency: 'USD' },
  prompt_tokens: { perUnit: 0.1 / 1e6, currency: 'USD' },
  completion_tokens: { perUnit: 0.4 / 1e6, currency: 'USD' },
  stored_bytes: { perUnit: 0, currency: 'USD' },
} as const;
