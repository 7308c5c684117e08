/** A graph made simpler gives the same numbers with fewer nodes, whatever stood behind its layers and between its shapes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanGraph } from '@gantry/conversion';
import { encodeOnnxModel, type OnnxNode, readOnnxGraph } from '@gantry/formats/onnx';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startInstance } from './onnx-instance.ts';

const node = (
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({ operator, domain: '', inputs, outputs: [output], attributes });
const waves = (count: number, step: number): Float32Array =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * step));
const longs = (...values: readonly number[]) => BigInt64Array.from(values, BigInt);
const turn = (...perm: readonly number[]) => ({ perm: { ints: perm } });

/** [rows, 4, 6] → a scaled and shifted convolution → turned thrice → laid out twice, to sizes that are computed → dense layers. */
const model = encodeOnnxModel({
  name: 'untidy',
  opsets: { '': 17 },
  nodes: [
    node('Conv', ['x', 'filters'], 'a'),
    node('Mul', ['a', 'factors'], 'b'),
    node('Add', ['shifts', 'b'], 'c'),
    node('Transpose', ['c'], 'd', turn(2, 0, 1)),
    node('Transpose', ['d'], 'e', turn(1, 2, 0)),
    node('Transpose', ['e'], 'f', turn(0, 2, 1)),
    node('Shape', ['dense'], 'shape'),
    node('Slice', ['shape', 'zero', 'one'], 'rows'),
    node('Concat', ['minus', 'rows'], 'sizes', { axis: { int: 0 } }),
    node('Unsqueeze', ['f', 'zero'], 'g'),
    node('Reshape', ['g', 'sizes'], 'h'),
    node('MatMul', ['h', 'dense'], 'i'),
    node('Mul', ['i', 'half'], 'j'),
    node('Gemm', ['j', 'last'], 'k', { transB: { int: 1 } }),
    node('Add', ['k', 'bias'], 'y'),
  ],
  initializers: [
    { name: 'filters', shape: [8, 4, 3], data: waves(96, 0.7) },
    { name: 'factors', shape: [1, 8, 1], data: waves(8, 0.3) },
    { name: 'shifts', shape: [8, 1], data: waves(8, 0.9) },
    { name: 'zero', shape: [1], data: longs(0) },
    { name: 'one', shape: [1], data: longs(1) },
    { name: 'minus', shape: [1], data: longs(-1) },
    { name: 'dense', shape: [32, 5], data: waves(160, 1.1) },
    { name: 'half', shape: [], data: Float32Array.of(0.5) },
    { name: 'last', shape: [3, 5], data: waves(15, 0.4) },
    { name: 'bias', shape: [1, 3], data: waves(3, 2) },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 4, 6] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['rows', 3] }],
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-clean-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function compute(file: Uint8Array): Promise<Float32Array> {
  const modelPath = join(folder, 'model.onnx');
  await writeFile(modelPath, file);
  await using instance = await startInstance({ modelPath, threads: 1, providers: ['cpu'] });
  const bytes = new Uint8Array(waves(2 * 4 * 6, 0.37).buffer);
  const { tensors } = await instance.run([{ name: 'x', datatype: 'FP32', shape: [2, 4, 6], bytes }], ['y']);
  return new Float32Array(tensors[0]?.bytes.slice().buffer ?? new ArrayBuffer(0));
}

it('factors and shifts go into layers, turns cancel, and computed sizes are there', async () => {
  const { file, cleanUps } = cleanGraph(model);
  expect(cleanUps).toEqual([
    { what: 'constants folded', count: 3 },
    { what: 'Mul folded', count: 2 },
    { what: 'Transpose joined', count: 1 },
    { what: 'Reshape joined', count: 1 },
    { what: 'Add folded', count: 2 },
  ]);
  expect(readOnnxGraph(file).nodes.map(({ operator }) => operator)).toEqual([
    'Conv',
    'Transpose',
    'Reshape',
    'MatMul',
    'Gemm',
  ]);
  const [before, after] = [await compute(model), await compute(file)];
  expect(after).toHaveLength(before.length);
  for (const [at, value] of before.entries()) expect(after[at]).toBeCloseTo(value, 5);
});

it('what others read, or what depends on sizes in between, stays', () => {
  const kept = encodeOnnxModel({
    name: 'kept',
    opsets: { '': 17 },
    nodes: [
      node('MatMul', ['x', 'w'], 'a'),
      node('Mul', ['a', 'two'], 'b'),
      node('Add', ['a', 'b'], 'c'),
      node('Flatten', ['c'], 'd'),
      node('Reshape', ['d', 'sizes'], 'e'),
      node('MatMul', ['e', 'w'], 'f'),
      node('Add', ['f', 'column'], 'y'),
    ],
    initializers: [
      { name: 'w', shape: [4, 4], data: waves(16, 1) },
      { name: 'two', shape: [], data: Float32Array.of(2) },
      { name: 'sizes', shape: [2], data: longs(0, -1) },
      { name: 'column', shape: [4, 1], data: waves(4, 1) },
    ],
    inputs: [{ name: 'x', type: 'float32', shape: [4, 4] }],
    outputs: [{ name: 'y', type: 'float32', shape: [4, 4] }],
  });
  expect(cleanGraph(kept)).toEqual({ file: kept, cleanUps: [] });
});
