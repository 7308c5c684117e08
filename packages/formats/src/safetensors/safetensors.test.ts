import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { FormatError, parseSafetensors, writeSafetensors } from '../index.ts';

const data = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index & 0xff);
const file = writeSafetensors(
  [
    { name: 'model.a', dtype: 'F32', shape: [2, 3], data: data(24) },
    { name: 'scalar', dtype: 'BF16', shape: [], data: data(2) },
    { name: 'empty', dtype: 'U8', shape: [0, 5], data: data(0) },
  ],
  { format: 'pt' },
);
const withHeader = (json: string, dataBytes = 0): Uint8Array => {
  const header = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + header.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.byteLength), true);
  bytes.set(header, 8);
  return bytes;
};

describe('safetensors', () => {
  it('gives back what was written, with data 64-byte aligned', () => {
    const header = parseSafetensors(file);
    expect(header.dataOffset % 64).toBe(0);
    expect(header.metadata).toEqual({ format: 'pt' });
    const first = header.tensors.find(({ name }) => name === 'model.a');
    expect(first).toMatchObject({ dtype: 'F32', shape: [2, 3], bytes: 24 });
    expect(file.subarray(first?.offset ?? 0, (first?.offset ?? 0) + 24)).toEqual(data(24));
    expect(header.tensors).toHaveLength(3);
  });

  it.each([
    ['a hole', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2],
    [
      'an overlap',
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
    ],
    [
      'a name twice',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ],
    ['bytes behind the tensors', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 2],
    [
      'a shape that overflows',
      '{"a":{"dtype":"U8","shape":[9007199254740991,9007199254740991],"data_offsets":[0,1]}}',
      1,
    ],
    ['an unknown dtype', '{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1],
    ['numbers in the metadata', '{"__metadata__":{"a":1}}', 0],
    ['a list for a header', '[]', 0],
  ])('refuses %s', (_name, json, dataBytes) => {
    expect(() => parseSafetensors(withHeader(json, dataBytes))).toThrow(FormatError);
  });

  it('refuses a header larger than 100 MB before reading it', () => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 62n, true);
    expect(() => parseSafetensors(bytes)).toThrow(/at most 100000000/);
  });

  it('answers mutated bytes with an error or places inside the file, never a crash', () => {
    const random = createRandom(11);
    for (let round = 0; round < 20_000; round += 1) {
      const mutated = file.slice();
      for (let change = random.below(3); change >= 0; change -= 1) {
        mutated[random.below(mutated.byteLength)] = random.below(256);
      }
      try {
        for (const { offset, bytes } of parseSafetensors(mutated).tensors) {
          expect(offset + bytes).toBeLessThanOrEqual(mutated.byteLength);
        }
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  });
});
