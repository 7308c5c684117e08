import fc from 'fast-check';
import { expect, it } from 'vitest';
import { largestPlaces } from './top-k-sum.ts';

it('the largest by size are found, as a sort would find them to two decimal digits', () => {
  const numbers = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(numbers, fc.nat(), (list, pick) => {
      const values = Float32Array.from(list);
      const count = 1 + (pick % values.length);
      const places = largestPlaces(values, count);
      expect(new Set(places).size).toBe(count);
      const sizes = [...values].map(Math.abs).sort((one, other) => other - one);
      const smallest = Math.min(...[...places].map((place) => Math.abs(values[place] as number)));
      // The upper half of a float's bits has seven of its fraction.
      expect(smallest).toBeGreaterThanOrEqual((sizes[count - 1] as number) * (1 - 2 ** -7) - 2 ** -126);
    }),
    { seed: 1 },
  );
});
