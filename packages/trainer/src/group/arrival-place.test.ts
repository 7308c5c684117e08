import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Arena } from '../memory/index.ts';
import { PlaceFiller } from './arrival-place.ts';

const cases = fc.record({
  length: fc.integer({ min: 1, max: 500 }),
  cuts: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 12 }),
  offset: fc.integer({ min: 0, max: 70 }),
  isAdded: fc.boolean(),
  isInArena: fc.boolean(),
});

it('floats are added, or laid, as they come: in any cuts, from any address', () => {
  const arena = new Arena();
  fc.assert(
    fc.property(cases, ({ length, cuts, offset, isAdded, isInArena }) => {
      const sent = Float32Array.from({ length }, (_, index) => Math.sin(index) * 7);
      const bytes = new Uint8Array(sent.buffer);
      const read = arena.room(bytes.length + offset).subarray(offset);
      read.set(bytes);
      const target = isInArena ? arena.floats(length) : new Float32Array(length);
      target.fill(0.3);
      const filler = new PlaceFiller({ target, isAdded }, arena);
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        filler.take(read.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      const before = Math.fround(0.3);
      expect(target).toEqual(sent.map((value) => (isAdded ? before + value : value)));
    }),
    { seed: 6, numRuns: 150 },
  );
});
