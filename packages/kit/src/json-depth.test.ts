import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isDeeperThan } from './json-depth.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

it('tells the depth that any value has', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, isWide) => {
      const json = bytes(JSON.stringify(value, undefined, isWide ? 3 : 0));
      const depth = depthOf(value);
      expect(isDeeperThan(json, depth)).toBe(false);
      if (depth > 0) expect(isDeeperThan(json, depth - 1)).toBe(true);
    }),
    { seed: 6, numRuns: 300 },
  );
});

it.each(['[[[[', '{"a":[['.repeat(9), '['.repeat(1_000_000)])('counts what never closes too', (text) => {
  expect(isDeeperThan(bytes(text), 3)).toBe(true);
});

it('does not count brackets in texts, escaped quotes included', () => {
  expect(isDeeperThan(bytes(JSON.stringify({ a: '[[["[[[\\', b: '\\\\"{{{' })), 1)).toBe(false);
  expect(isDeeperThan(bytes('{"a":"[[[[[[[[[[[[[['), 2)).toBe(false);
});
