import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { FormatError, parseGguf, writeGguf, type GgufValue } from '../index.ts';

const metadata = new Map<string, GgufValue>([
  ['general.architecture', { type: 'string', value: 'llama' }],
  ['a.u64', { type: 'u64', value: 2n ** 63n }],
  ['a.bool', { type: 'bool', value: true }],
  ['a.f32', { type: 'f32', value: 0.5 }],
  ['a.names', { type: 'array', of: 'string', values: ['Ġthe', '', 'é'] }],
  ['a.ids', { type: 'array', of: 'i32', values: [1, -2, 3] }],
]);
const data = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index & 0xff);
const file = writeGguf(metadata, [
  { name: 'one', shape: [2, 3], type: 'F32', data: data(24) },
  { name: 'two', shape: [2, 32], type: 'Q8_0', data: data(68) },
]);

describe('GGUF', () => {
  it('gives back what was written, aligned', () => {
    const header = parseGguf(file);
    expect(header.metadata).toEqual(metadata);
    expect(header.tensors.map(({ name, shape, type }) => ({ name, shape, type }))).toEqual([
      { name: 'one', shape: [2, 3], type: 'F32' },
      { name: 'two', shape: [2, 32], type: 'Q8_0' },
    ]);
    for (const { offset, bytes } of header.tensors) {
      expect(offset % 32).toBe(0);
      expect(file.subarray(offset, offset + bytes)).toEqual(data(bytes));
    }
  });

  it('says where a file that was cut ends', () => {
    for (let length = 0; length < file.byteLength - 64; length += 7) {
      expect(() => parseGguf(file.subarray(0, length))).toThrow(FormatError);
    }
  });

  it('refuses rows that fill no whole block', () => {
    expect(() => writeGguf(new Map(), [{ name: 'x', shape: [2, 31], type: 'Q8_0', data: data(1) }])).toThrow(
      FormatError,
    );
  });

  it('answers mutated bytes with an error or a header inside the file, never a crash', () => {
    const random = createRandom(7);
    for (let round = 0; round < 20_000; round += 1) {
      const mutated = file.slice();
      for (let change = random.below(4); change >= 0; change -= 1) {
        mutated[random.below(mutated.byteLength)] = random.pick([0, 1, 0x7f, 0xff, random.below(256)]);
      }
      try {
        for (const { offset, bytes } of parseGguf(mutated).tensors) {
          expect(offset + bytes).toBeLessThanOrEqual(mutated.byteLength);
        }
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  });
});
