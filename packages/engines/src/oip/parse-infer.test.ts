import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../engine-error.ts';
import { isDatatype } from './datatypes.ts';
import { decodeValues } from './json-values.ts';
import { parseInfer } from './parse-infer.ts';
import { joinRows, sliceRows, type WireTensor } from './wire-tensor.ts';

const valid = Buffer.from(
  JSON.stringify({
    id: 'a',
    inputs: [
      { name: 'x', datatype: 'INT8', shape: [2, 2], data: [1, -2, 3, -4] },
      { name: 'raw', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } },
      { name: 't', datatype: 'BYTES', shape: [1, 2], data: ['ä', ''] },
    ],
  }),
);
const body = Buffer.concat([valid, Buffer.from([0, 60, 0, 192])]);

describe('inference requests', () => {
  it('reads JSON, binary and text inputs of one request', () => {
    const { inputs } = parseInfer(body, String(valid.length));
    expect(inputs.map(decodeValues)).toEqual([
      [1, -2, 3, -4],
      [1, -2],
      ['ä', ''],
    ]);
  });

  it('answers any mutation of a request with a refusal or a well-formed tensor', () => {
    const change = fc.record({ at: fc.nat(body.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(400), (changes, length) => {
        const mutated = Buffer.from(body);
        for (const { at, byte } of changes) mutated[at] = byte;
        for (const header of [String(valid.length), String(length), undefined]) {
          try {
            for (const tensor of parseInfer(mutated, header).inputs) {
              expect(isDatatype(tensor.datatype)).toBe(true);
              decodeValues(tensor);
            }
          } catch (error) {
            expect(error).toBeInstanceOf(EngineError);
            expect((error as EngineError).status).toBe(400);
          }
        }
      }),
      { seed: 23, numRuns: 400 },
    );
  });

  it.each([-1, 1.5, 9, '8', null, { toString: 1 }])('refuses %j for the size of a binary tensor', (size) => {
    const parameters = { binary_data_size: size };
    const json = JSON.stringify({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [8], parameters }] });
    const sent = Buffer.concat([Buffer.from(json), Buffer.alloc(8)]);
    expect(() => parseInfer(sent, String(json.length))).toThrow(EngineError);
  });

  it('gives back the rows that were joined, texts included', () => {
    const text = (rows: number, from: number): WireTensor =>
      parseInfer(
        Buffer.from(
          JSON.stringify({
            inputs: [
              {
                name: 't',
                datatype: 'BYTES',
                shape: [rows, 2],
                data: Array.from({ length: rows * 2 }, (_, at) => 'x'.repeat(from + at)),
              },
            ],
          }),
        ),
        undefined,
      ).inputs[0] as WireTensor;
    const parts = [text(1, 0), text(3, 5), text(2, 20)];
    const joined = joinRows(parts, 2);
    expect(joined.shape).toEqual([8, 2]);
    expect([0, 1, 4].map((from, index) => sliceRows(joined, from, [1, 3, 2][index] as number))).toEqual(
      parts.map(({ name, datatype, shape }) => expect.objectContaining({ name, datatype, shape })),
    );
    expect(decodeValues(sliceRows(joined, 1, 3))).toEqual(decodeValues(parts[1] as WireTensor));
  });
});
