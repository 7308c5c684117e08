/** Convolutions and LSTMs made small, and graphs made simpler, computed by ONNX Runtime beside what they were made from. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanGraph, quantiseOnnx, quantiseOnnxStatic } from '@gantry/conversion';
import { encodeOnnxModel, type OnnxNode, type OnnxTensor, readOnnxGraph } from '@gantry/formats/onnx';
import { createRandom } from '@gantry/kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrate } from './calibrate.ts';
import { startInstance } from './onnx-instance.ts';

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-conv-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const random = createRandom(8);
const weight = (name: string, shape: readonly number[], scale = 0.15, shift = 0): OnnxTensor => ({
  name,
  shape,
  data: Float32Array.from(
    { length: shape.reduce((product, size) => product * size, 1) },
    () => shift + scale * (random.next() * 2 - 1),
  ),
});
const node = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({ operator, domain: '', inputs, outputs, attributes });

/** [batch, 8, 12] → two convolutions (one normalised) → an LSTM both ways → a dense layer whose weight lies the other way round. */
const model = encodeOnnxModel({
  name: 'sequence',
  opsets: { '': 17 },
  nodes: [
    node('Conv', ['x', 'c0', 'c0-bias'], ['a'], { kernel_shape: { ints: [3] }, pads: { ints: [1, 1] } }),
    node('BatchNormalization', ['a', 'scale', 'shift', 'mean', 'variance'], ['b']),
    node('Relu', ['b'], ['c']),
    node('Identity', ['c'], ['d']),
    node('Conv', ['d', 'c1'], ['e'], {
      kernel_shape: { ints: [3] },
      pads: { ints: [1, 1] },
      group: { int: 2 },
    }),
    node('Dropout', ['e'], ['f']),
    node('Transpose', ['f'], ['g'], { perm: { ints: [2, 0, 1] } }),
    node('LSTM', ['g', 'w', 'r', 'b0'], ['h'], {
      hidden_size: { int: 24 },
      direction: { text: 'bidirectional' },
    }),
    node('Transpose', ['h'], ['i'], { perm: { ints: [2, 0, 1, 3] } }),
    node('Reshape', ['i', 'flat'], ['j']),
    node('Transpose', ['dense'], ['dense-t'], { perm: { ints: [1, 0] } }),
    node('MatMul', ['j', 'dense-t'], ['y']),
    node('Relu', ['j'], ['nobody-reads-this']),
  ],
  initializers: [
    weight('c0', [64, 8, 3]),
    weight('c0-bias', [64]),
    weight('scale', [64], 0.3, 1),
    weight('shift', [64], 0.2),
    weight('mean', [64], 0.2),
    weight('variance', [64], 0.3, 1),
    weight('c1', [64, 32, 3]),
    weight('w', [2, 96, 64]),
    weight('r', [2, 96, 24]),
    weight('b0', [2, 192]),
    { name: 'flat', shape: [2], data: BigInt64Array.of(0n, 576n) },
    weight('dense', [16, 576]),
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 8, 12] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['batch', 16] }],
});

const input = (seed: number) => {
  const values = createRandom(seed);
  const x = Float32Array.from({ length: 4 * 96 }, () => values.next() * 2 - 1);
  return { name: 'x', datatype: 'FP32' as const, shape: [4, 8, 12], bytes: new Uint8Array(x.buffer) };
};

const write = async (file: Uint8Array): Promise<string> => {
  const path = join(folder, `${++made}.onnx`);
  await writeFile(path, file);
  return path;
};

async function compute(file: Uint8Array): Promise<Float32Array> {
  await using instance = await startInstance({
    modelPath: await write(file),
    threads: 1,
    providers: ['cpu'],
  });
  const { tensors } = await instance.run([input(3)], ['y']);
  return new Float32Array((tensors[0] as (typeof tensors)[number]).bytes.slice().buffer);
}

async function distance(file: Uint8Array): Promise<number> {
  const [one, other] = [await compute(model), await compute(file)];
  let [error, size] = [0, 0];
  for (const [at, value] of one.entries()) {
    error += (value - (other[at] as number)) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

const operators = (file: Uint8Array): readonly string[] =>
  readOnnxGraph(file).nodes.map(({ operator }) => operator);

describe('a graph made simpler', () => {
  it('computes the same, says what it lost, and has its weights where they are used', async () => {
    const { file, cleanUps } = cleanGraph(model);
    expect(cleanUps).toEqual([
      { what: 'Identity removed', count: 1 },
      { what: 'Dropout removed', count: 1 },
      { what: 'constants folded', count: 1 },
      { what: 'BatchNormalization folded', count: 1 },
      { what: 'unused nodes removed', count: 1 },
    ]);
    expect(operators(file)).toEqual([
      'Conv',
      'Relu',
      'Conv',
      'Transpose',
      'LSTM',
      'Transpose',
      'Reshape',
      'MatMul',
    ]);
    expect(await distance(file)).toBeLessThan(1e-6);
    expect(cleanGraph(file)).toEqual({ file, cleanUps: [] });
  });
});

describe('convolutions and LSTMs', () => {
  it.each([
    ['int8', 0.32, 0.05],
    ['int8-weights', 0.32, 0.03],
    ['fp16-weights', 0.54, 0.001],
  ] as const)('%s: of %d of the size, within %d', async (type, size, bound) => {
    const { file, layers, cleanUps, bytesBefore, bytesAfter } = quantiseOnnx(model, type);
    expect(layers.map(({ name }) => name)).toEqual(['c1', 'w', 'dense-t']);
    expect(cleanUps).toHaveLength(5);
    expect(bytesAfter / bytesBefore).toBeLessThan(size);
    const error = await distance(file);
    expect(error).toBeLessThan(bound);
    expect(error).toBeGreaterThan(0);
  });

  it('int8 multiplies integers', () => {
    const found = operators(quantiseOnnx(model, 'int8').file);
    for (const operator of ['ConvInteger', 'DynamicQuantizeLSTM', 'MatMulInteger'])
      expect(found).toContain(operator);
    for (const operator of ['LSTM', 'MatMul']) expect(found).not.toContain(operator);
  });

  it('int4 leaves them as they are', () => {
    expect(quantiseOnnx(model, 'int4-weights').layers.map(({ name }) => name)).toEqual(['dense-t']);
  });

  it('are calibrated: the input and the output of a convolution have a range', async () => {
    const samples = Array.from({ length: 8 }, (_, seed) => [input(100 + seed)]);
    const ranges = await calibrate({ modelPath: await write(model), samples, method: 'minmax' });
    expect([...ranges.keys()].sort()).toEqual(['c', 'e', 'j']);
    const { file, layers, bytesBefore, bytesAfter } = quantiseOnnxStatic(model, ranges);
    expect(layers.map(({ name }) => name)).toEqual(['c1', 'w', 'dense-t']);
    expect(bytesAfter / bytesBefore).toBeLessThan(0.32);
    expect(await distance(file)).toBeLessThan(0.06);
    expect(await distance(quantiseOnnxStatic(model, ranges, 'uint16').file)).toBeLessThan(0.03);
  });
});
