import { createRandom } from '@gantry/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { peekTensors } from './peek-tensors.ts';
import { readTensors } from './read-tensors.ts';

const bodyOf = (inputs: readonly object[], rest: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ id: 'q', ...rest, inputs, outputs: [{ name: 'y' }] }));

/** All values of a tensor as they are read. */
const valuesOf = ({ count, at }: { readonly count: number; readonly at: (index: number) => unknown }) =>
  Array.from({ length: count }, (_, index) => at(index));

describe('tensors of a long body', () => {
  it('are found by their heads, whatever stands between and behind them, in any order', () => {
    const numbers = Array.from({ length: 50_000 }, (_, at) => at / 7);
    const nested = Array.from({ length: 4_000 }, (_, row) => [row, 1 - row, row * 1e-9]);
    const inputs = [
      { data: numbers, shape: [50_000], datatype: 'FP32', name: 'a' },
      {
        name: 'b "quoted\\',
        shape: [4_000, 3],
        datatype: 'FP64',
        parameters: { of: ['}', { k: 1 }] },
        data: nested,
      },
      { name: 'words', datatype: 'BYTES', shape: [2], data: ['a ] "text"\\', 'b'] },
      { name: 'c', shape: [2], datatype: 'BOOL', data: [true, null] },
    ];
    const { tensors, isWhole } = peekTensors(
      bodyOf(inputs, { parameters: { note: 'no "outputs"' } }),
      'inputs',
      8,
    );
    expect(isWhole).toBe(true);
    expect(tensors.map(({ name, datatype, shape, count }) => [name, datatype, shape, count])).toEqual([
      ['a', 'FP32', [50_000], 50_000],
      ['b "quoted\\', 'FP64', [4_000, 3], 12_000],
      ['words', 'BYTES', [2], 1],
      ['c', 'BOOL', [2], 2],
    ]);
    const [a, b, words, c] = tensors;
    expect(a && valuesOf(a).slice(0, 64)).toEqual(numbers.slice(0, 64));
    expect(b && valuesOf(b).slice(0, 6)).toEqual([0, 1, 0, 1, 0, 1e-9]);
    expect(words?.at(0)).toBe('a ] "text"\\');
    expect(c && valuesOf(c)).toEqual([1, NaN]);
  });

  it('give values of everywhere, short ones as often as they are there', () => {
    // Half are one byte, half are twenty: what a place meets would nearly always be a long one.
    const random = createRandom(3);
    const data = Array.from({ length: 200_000 }, () => (random.next() < 0.5 ? 0 : 0.123_456_789_012_345_6));
    const { tensors } = readTensors(
      bodyOf([{ name: 'x', datatype: 'FP64', shape: [200_000], data }]),
      undefined,
      'inputs',
    );
    const drawn = Array.from({ length: 2_000 }, () => tensors[0]?.at(Math.floor(random.next() * 200_000)));
    const short = drawn.filter((value) => value === 0).length / drawn.length;
    expect(short).toBeGreaterThan(0.45);
    expect(short).toBeLessThan(0.55);
  });

  it('are counted as missed where they are too many, or have texts that cannot be passed over', () => {
    const text = 'x'.repeat(40_000);
    const words = { name: 'w', datatype: 'BYTES', shape: [100], data: Array(100).fill(text) };
    const x = { name: 'x', datatype: 'FP32', shape: [1], data: [1] };
    const long = readTensors(bodyOf([words, x]), undefined, 'inputs');
    expect(long).toMatchObject({ isPartial: true, tensors: [{ name: 'w' }] });
    const many = readTensors(bodyOf(Array.from({ length: 9 }, () => x)), undefined, 'inputs');
    expect(many).toMatchObject({ isPartial: true });
    expect(many.tensors).toHaveLength(8);
    expect(readTensors(bodyOf([x]), undefined, 'inputs').isPartial).toBe(false);
  });

  it('never end a reader: whatever is cut out of a body or changed in it', () => {
    const inputs = [
      { name: 'x', datatype: 'FP32', shape: [30], data: Array(30).fill(0.5) },
      { name: 'w', datatype: 'BYTES', shape: [2], data: ['a\\"', '{'] },
    ];
    const whole = bodyOf(inputs);
    const damage = fc.record({
      from: fc.nat(whole.length),
      cut: fc.nat(20),
      at: fc.nat(whole.length - 1),
      byte: fc.constantFrom(...Buffer.from('"[]{},:\\ 0')),
    });
    fc.assert(
      fc.property(damage, ({ from, cut, at, byte }) => {
        const body = Buffer.from(whole);
        body[at] = byte;
        const { tensors } = peekTensors(
          Buffer.concat([body.subarray(0, from), body.subarray(from + cut)]),
          'inputs',
          8,
        );
        for (const tensor of tensors) valuesOf({ ...tensor, count: Math.min(tensor.count, 100) });
      }),
      { seed: 11, numRuns: 3_000 },
    );
  });
});
