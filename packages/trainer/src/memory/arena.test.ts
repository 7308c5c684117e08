import fc from 'fast-check';
import { adamWDefaults, adamWUpdate } from '@gantry/training/optimizer';
import { describe, expect, it } from 'vitest';
import { addInto } from './add-into.ts';
import { Arena } from './arena.ts';

const filled = (arena: Arena, length: number, seed: number): { here: Float32Array; there: Float32Array } => {
  const here = Float32Array.from({ length }, (_, index) => Math.sin(index * 1.7 + seed));
  const there = arena.floats(length);
  there.set(here);
  return { here, there };
};

describe('kernels in the arena', () => {
  it('add and measure as JavaScript does, at any length and place', () => {
    const arena = new Arena();
    for (const [length, at] of [
      [1, 0],
      [16, 16],
      [33, 3],
      [1000, 7],
      [70_000, 64],
    ] as const) {
      const one = filled(arena, length + at, 1);
      const other = filled(arena, length, 2);
      addInto(one.here, other.here, at);
      arena.addInto(one.there, other.there, at);
      expect(one.there).toEqual(one.here);
      const norm = one.here.reduce((sum, value) => sum + value * value, 0);
      expect(arena.squaredNorm(one.there)).toBeCloseTo(norm, 8);
    }
  });

  it('take the AdamW step of the reference, to float32 rounding', () => {
    const arena = new Arena();
    for (const decays of [true, false]) {
      const make = (seed: number) => filled(arena, 1003, seed);
      const [parameters, gradients, first] = [make(1), make(2), make(3)];
      const second = make(4);
      for (const values of [second.here, second.there]) values.set(values.map(Math.abs));
      const here = {
        parameters: parameters.here,
        gradients: gradients.here,
        first: first.here,
        second: second.here,
      };
      const there = {
        parameters: parameters.there,
        gradients: gradients.there,
        first: first.there,
        second: second.there,
      };
      const step = { step: 3, learningRate: 0.01, gradientScale: 0.7 };
      adamWUpdate(here, { from: 0, to: 1003, decays }, adamWDefaults, step);
      arena.adamW(there, decays, adamWDefaults, step);
      for (const name of ['parameters', 'first', 'second'] as const)
        for (const [index, value] of there[name].entries())
          expect(Math.abs(value - (here[name][index] as number))).toBeLessThan(3e-7);
    }
  });

  it('leave buffers that lie elsewhere to JavaScript', () => {
    const arena = new Arena();
    const target = new Float32Array(40).fill(1);
    arena.addInto(target, arena.floats(40).fill(2));
    expect(target.every((value) => value === 3)).toBe(true);
    expect(arena.squaredNorm(target)).toBe(360);
  });
});

describe('compaction', () => {
  it('loses no byte, gives none twice, and leaves one free run where all may move', () => {
    const anyBuffers = fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 60_000 }), fate: fc.constantFrom('move', 'stay', 'go') }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(anyBuffers, (buffers) => {
        const arena = new Arena();
        const kept: { values: Float32Array; seed: number }[] = [];
        const gone: Float32Array[] = [];
        for (const [seed, { length, fate }] of buffers.entries()) {
          const one = { values: arena.floats(length).fill(seed + 1), seed: seed + 1 };
          if (fate === 'go') gone.push(one.values);
          else kept.push(one);
          if (fate === 'move')
            arena.mayMove(one.values, (values) => {
              one.values = values;
            });
        }
        for (const values of gone) arena.release(values);
        const before = arena.statistics();
        arena.compact(0);
        const after = arena.statistics();
        expect(after).toMatchObject({
          allocatedBytes: before.allocatedBytes,
          reservedBytes: before.reservedBytes,
        });
        if (buffers.every(({ fate }) => fate !== 'stay'))
          expect(after.largestFreeBytes).toBe(after.reservedBytes - after.allocatedBytes);
        const other = arena.floats(1000).fill(-1);
        for (const { values, seed } of kept) expect(values.every((value) => value === seed)).toBe(true);
        expect(other.every((value) => value === -1)).toBe(true);
        for (const { values } of [...kept, { values: other }]) arena.release(values);
        expect(arena.statistics()).toMatchObject({
          allocatedBytes: 0,
          largestFreeBytes: arena.statistics().reservedBytes,
        });
      }),
      { numRuns: 40, seed: 9 },
    );
  });

  it('between steps gives room for what did not fit, and changes no bit of the training', () => {
    const train = (isCompacted: boolean): { parameters: Float32Array; largest: number[] } => {
      const arena = new Arena();
      const parameters = arena.floats(300_000).fill(1);
      const gradients = arena.floats(300_000);
      const moments = [1, 2].map(() => {
        const gap = arena.floats(400_000);
        const moment = { values: arena.floats(300_000) };
        arena.mayMove(moment.values, (values) => {
          moment.values = values;
        });
        arena.release(gap);
        return moment;
      });
      const largest = [arena.statistics().largestFreeBytes];
      for (let step = 1; step <= 4; step += 1) {
        for (let index = 0; index < gradients.length; index += 1) gradients[index] = Math.sin(index * step);
        const [first, second] = moments.map(({ values }) => values) as [Float32Array, Float32Array];
        const settings = { ...adamWDefaults, weightDecay: 0.1 };
        arena.adamW({ parameters, gradients, first, second }, true, settings, {
          step,
          learningRate: 0.01,
          gradientScale: 1,
        });
        if (isCompacted) arena.compact();
      }
      largest.push(arena.statistics().largestFreeBytes);
      return { parameters, largest };
    };
    const [moved, still] = [train(true), train(false)];
    expect(moved.parameters).toEqual(still.parameters);
    expect(still.largest[1]).toBe(still.largest[0]);
    expect(moved.largest[1]).toBeGreaterThan(1.3 * (moved.largest[0] as number));
  });
});

describe('the arena', () => {
  it('never gives one byte twice, counts what it gives, and ends with one free run', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 300_000 }), fc.boolean()), { maxLength: 60 }),
        (calls) => {
          const arena = new Arena();
          const held: Uint8Array[] = [];
          for (const [length, isFreed] of calls) {
            const bytes = arena.bytes(length);
            expect(bytes.every((value) => value === 0)).toBe(true);
            for (const other of held)
              expect(
                bytes.byteOffset >= other.byteOffset + other.length ||
                  bytes.byteOffset + length <= other.byteOffset,
              ).toBe(true);
            held.push(bytes);
            if (isFreed) arena.release(held.splice(length % held.length, 1)[0] as Uint8Array);
          }
          const { allocatedBytes, reservedBytes, peakBytes } = arena.statistics();
          expect(allocatedBytes).toBe(held.reduce((sum, { length }) => sum + Math.ceil(length / 64) * 64, 0));
          expect(peakBytes).toBeGreaterThanOrEqual(allocatedBytes);
          for (const bytes of held) arena.release(bytes);
          expect(arena.statistics()).toMatchObject({ allocatedBytes: 0, largestFreeBytes: reservedBytes });
        },
      ),
      { numRuns: 20, seed: 4 },
    );
  });
});
