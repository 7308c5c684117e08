/** Real files with a few bytes changed become a model or a refusal: never a crash, and no memory beyond what they hold. */
import { FormatError, llamaTensors, toConfigJson, wholeFile, writeSafetensors } from '@gantry/formats';
import { encodeOnnxModel, type OnnxNode } from '@gantry/formats/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkpointToGguf,
  checkpointToOnnx,
  ggufPieces,
  ggufToCheckpoint,
  onnxWeightTypes,
  quantiseGguf,
  quantiseOnnx,
  openGguf,
} from './index.ts';
import { smallLlama, smallTokenizer } from './testing/small-llama.ts';

const json = toConfigJson(smallLlama);
const waves = (count: number): Float32Array => Float32Array.from({ length: count }, (_, at) => Math.sin(at));
const safetensors = writeSafetensors(
  llamaTensors(smallLlama).map(({ huggingFaceName: name, shape }) => {
    const { buffer } = waves(shape.reduce((product, size) => product * size, 1));
    return { name, dtype: 'F32' as const, shape, data: new Uint8Array(buffer) };
  }),
);
const toGguf = (file: Uint8Array): Uint8Array =>
  wholeFile(
    ggufPieces(checkpointToGguf({ safetensors: [file], config: json, tokenizer: smallTokenizer, name: 'x' })),
  );
const gguf = toGguf(safetensors);
const decoder = checkpointToOnnx({ safetensors: [safetensors], config: json }, 'x.data').file;

const node = (
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({ operator, domain: '', inputs, outputs: [output], attributes });
/** A convolution, its normalisation, shapes that are computed, an LSTM and a dense layer. */
const layers = encodeOnnxModel({
  name: 'layers',
  opsets: { '': 17 },
  nodes: [
    node('Conv', ['x', 'filters'], 'c', { group: { int: 2 } }),
    node('BatchNormalization', ['c', 'n', 'n', 'n', 'n'], 'd'),
    node('Transpose', ['dense'], 'turned', { perm: { ints: [1, 0] } }),
    node('Reshape', ['turned', 'sizes'], 'shaped'),
    node('Unsqueeze', ['shaped', 'axes'], 'wide'),
    node('Add', ['wide', 'wide'], 'twice'),
    node('Gemm', ['d', 'dense'], 'e', { transB: { int: 1 } }),
    node('MatMul', ['e', 'dense'], 'f'),
    node('Add', ['f', 'n'], 'g'),
    node('LSTM', ['g', 'input', 'recurrent'], 'h', { hidden_size: { int: 16 } }),
    node('Add', ['h', 'twice'], 'y'),
  ],
  initializers: [
    { name: 'filters', shape: [64, 32, 3], data: waves(64 * 32 * 3) },
    { name: 'n', shape: [64], data: waves(64) },
    { name: 'dense', shape: [64, 64], data: waves(64 * 64) },
    { name: 'sizes', shape: [2], data: BigInt64Array.of(-1n, 64n) },
    { name: 'axes', shape: [1], data: BigInt64Array.of(0n) },
    { name: 'input', shape: [1, 64, 64], data: waves(4_096) },
    { name: 'recurrent', shape: [1, 64, 16], data: waves(1_024) },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 64, 3] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['rows', 64] }],
});

/** Weights are most of a file, and say nothing: changes fall on its ends, where its structure is. */
function hold(file: Uint8Array, convert: (file: Uint8Array) => unknown, runs: number): void {
  const ends = fc.oneof(
    fc.nat(2_500),
    fc.nat(2_500).map((at) => file.length - 1 - at),
  );
  const change = fc.record({
    at: ends,
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const mutated = file.slice();
      for (const { at, byte } of changes) mutated[at] = byte;
      try {
        convert(mutated);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { seed: 17, numRuns: runs },
  );
}

describe('a file with a few other bytes is converted or refused', () => {
  it.each(onnxWeightTypes)('ONNX layers → %s', (type) => {
    hold(layers, (file) => quantiseOnnx(file, type), 120);
  });
  it('an ONNX decoder → int8', () => hold(decoder, (file) => quantiseOnnx(file), 100));
  it('GGUF → smaller', () => hold(gguf, (file) => wholeFile(quantiseGguf(openGguf(file), 'Q8_0').file), 100));
  it('GGUF → safetensors', () => hold(gguf, (file) => wholeFile(ggufToCheckpoint(file).safetensors), 150));
  it('safetensors → GGUF and ONNX', () => {
    hold(safetensors, (file) => checkpointToOnnx({ safetensors: [file], config: json }, 'x.data'), 150);
    hold(safetensors, toGguf, 100);
  });
});
