import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutDocuments, packingOrder } from './packing-order.ts';

const documents = fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 200 });
const inOrder = (lengths: readonly number[], order: readonly number[]): number[] =>
  order.map((document) => lengths[document] as number);

describe('packing documents into sequences', () => {
  it('lays each document once, and counts those it cuts', () => {
    fc.assert(
      fc.property(documents, fc.integer({ min: 1, max: 64 }), (lengths, time) => {
        const { order, cut } = packingOrder(lengths, time);
        expect([...order].sort((one, other) => one - other)).toEqual(lengths.map((_, index) => index));
        expect(cut).toBe(cutDocuments(inOrder(lengths, order), time));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('cuts a document only when nothing that is left would have fitted in its place', () => {
    fc.assert(
      fc.property(documents, fc.integer({ min: 1, max: 64 }), (lengths, time) => {
        const laid = inOrder(lengths, packingOrder(lengths, time).order);
        let at = 0;
        for (const [place, length] of laid.entries()) {
          const room = time - (at % time);
          if (length > room) for (const later of laid.slice(place)) expect(later).toBeGreaterThan(room);
          at += length;
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('of texts of mixed length cuts a tenth as many as the order they came in', () => {
    // Lengths as a spread over three orders of magnitude has them, the same every time.
    const lengths = Array.from({ length: 5_000 }, (_, index) =>
      Math.ceil(4 * 1000 ** (((index * 7919) % 5_000) / 5_000)),
    );
    const before = cutDocuments(lengths, 512);
    const { cut } = packingOrder(lengths, 512);
    expect(before).toBeGreaterThan(500);
    expect(cut).toBeLessThan(before / 10);
  });
});
