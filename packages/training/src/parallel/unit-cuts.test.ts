import fc from 'fast-check';
import { expect, it } from 'vitest';
import { aligned, type StageParameter, type StageUnit } from './stage-layout.ts';
import { packPersistent, partsWithin, unitCuts } from './unit-cuts.ts';

/** Units of parameters with these lengths. */
function unitsOf(lengths: readonly (readonly number[])[]): StageUnit[] {
  let at = 0;
  return lengths.map((sizes, layer) => {
    const from = at;
    const parameters = sizes.map((length, index) => {
      const parameter = { name: `${layer}.${index}`, offset: at, length } as StageParameter;
      at += aligned(length);
      return parameter;
    });
    return { kind: 'layer', layer, from, to: at, parameters };
  });
}

/** Of a unit, one part for each owner. */
const evenly =
  (owners: number) =>
  ({ from, to }: StageUnit): { from: number; to: number }[] =>
    Array.from({ length: owners }, (_, index) => ({
      from: Math.floor(((to - from) * index) / owners),
      to: Math.floor(((to - from) * (index + 1)) / owners),
    }));

const anyUnits = fc
  .array(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map(unitsOf);

const cases = fc.record({
  units: anyUnits,
  owners: fc.integer({ min: 1, max: 4 }),
  bucketElements: fc.option(fc.integer({ min: 1, max: 70 }), { nil: undefined }),
  persistentElements: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
});

it('every element travels in one cut of one owner or is kept, and no cut is larger than a bucket', () => {
  fc.assert(
    fc.property(cases, ({ units, owners, bucketElements, persistentElements }) => {
      const partsOf = evenly(owners);
      const packed = packPersistent(units, owners, partsOf, persistentElements ?? 0);
      for (const unit of units) {
        const seen = new Uint8Array(unit.to - unit.from);
        for (const cut of unitCuts(unit, { bucketElements, persistentElements })) {
          expect(cut.to - cut.from).toBeLessThanOrEqual(bucketElements ?? Infinity);
          for (const { from, to } of partsWithin(partsOf(unit), cut))
            for (let at = from; at < to; at += 1) seen[cut.from + at] = (seen[cut.from + at] as number) + 1;
        }
        for (const { from, to } of packed.pieces.filter((piece) => piece.unit === unit))
          for (let at = from; at < to; at += 1) seen[at] = (seen[at] as number) + 1;
        for (const { offset, length } of unit.parameters)
          expect(new Set(seen.subarray(offset - unit.from, offset - unit.from + length))).toEqual(
            new Set([1]),
          );
        expect(Math.max(...seen)).toBe(1);
      }
    }),
    { seed: 3, numRuns: 60 },
  );
});

it('what is kept lies packed without a gap, in the order of its owners', () => {
  fc.assert(
    fc.property(cases, ({ units, owners, persistentElements = 20 }) => {
      const partsOf = evenly(owners);
      const { pieces, parts, length, parameters } = packPersistent(
        units,
        owners,
        partsOf,
        persistentElements,
      );
      let end = 0;
      for (const { at, from, to } of pieces) {
        expect(at).toBe(end);
        end = at + to - from;
      }
      expect(end).toBe(length);
      expect(parts.at(-1)?.to).toBe(length);
      const small = units
        .flatMap((unit) => unit.parameters)
        .filter((parameter) => parameter.length <= persistentElements);
      expect(parameters).toBe(small.length);
      expect(small.reduce((sum, parameter) => sum + parameter.length, 0)).toBe(length);
    }),
    { seed: 4, numRuns: 60 },
  );
});
