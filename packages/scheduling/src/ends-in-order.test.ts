import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndsInOrder } from './ends-in-order.ts';

test('ends come in the order that sorting all of them would give, however far one looks', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 })), (ends) => {
      const ids = ends.map((_, index) => `w${(index * 7919) % 1000}-${index}`);
      const inOrder = new EndsInOrder(ids, Float64Array.from(ends));
      const sorted = ids
        .map((id, index) => ({ id, endMs: ends[index]! }))
        .sort((a, b) => a.endMs - b.endMs || (a.id < b.id ? -1 : 1));
      expect(inOrder.size).toBe(ends.length);
      for (const index of [Math.floor(ends.length / 2), ...ends.keys()])
        if (index < ends.length) expect(inOrder.at(index)).toEqual(sorted[index]);
    }),
    { seed: 5, numRuns: 100 },
  );
});
