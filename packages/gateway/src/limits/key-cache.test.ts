import { expect, it } from 'vitest';
import { KeyCache } from './key-cache.ts';

it('guesses push out other guesses and nobody’s key', async () => {
  const asked = new Map<string, number>();
  const cache = new KeyCache({
    now: () => 0,
    maxEntries: 2,
    authenticate: async (bearer) => {
      asked.set(bearer, (asked.get(bearer) ?? 0) + 1);
      return bearer.startsWith('good') ? { tenantId: 'acme', principalId: bearer } : undefined;
    },
  });
  await cache.lookup('good 1');
  for (let index = 0; index < 10_001; index++) await cache.lookup(`guess ${index}`);
  expect(await cache.lookup('good 1')).toMatchObject({ principalId: 'good 1' });
  await cache.lookup('guess 10000');
  await cache.lookup('guess 0');
  expect(['good 1', 'guess 10000', 'guess 0'].map((bearer) => asked.get(bearer))).toEqual([1, 1, 2]);
});
