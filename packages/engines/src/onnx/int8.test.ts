/** Models with integer layers, computed by ONNX Runtime beside the ones they were made from. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantiseOnnx } from '@gantry/conversion';
import { encodeOnnxModel } from '@gantry/formats/onnx';
import { createRandom } from '@gantry/kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perceptron } from '../testing/tensor-models.ts';
import { startInstance } from './onnx-instance.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-int8-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

async function compute(model: Uint8Array, columns: number): Promise<Float32Array> {
  const modelPath = join(folder, `${model.length}.onnx`);
  await writeFile(modelPath, model);
  await using instance = await startInstance({ modelPath, threads: 1, providers: ['cpu'] });
  const random = createRandom(3);
  const x = Float32Array.from({ length: 4 * columns }, () => random.next() * 2 - 1);
  const input = {
    name: 'x',
    datatype: 'FP32' as const,
    shape: [4, columns],
    bytes: new Uint8Array(x.buffer),
  };
  const { tensors } = await instance.run([input], ['y']);
  const { bytes } = tensors[0] as (typeof tensors)[number];
  return new Float32Array(bytes.slice().buffer);
}

function distance(one: Float32Array, other: Float32Array): number {
  let [error, size] = [0, 0];
  for (const [at, value] of one.entries()) {
    error += (value - (other[at] as number)) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

describe('integer layers', () => {
  it('answer within two percent, at a quarter of the size', async () => {
    const model = perceptron([64, 256, 256, 64]);
    const { file, layers, bytesBefore, bytesAfter } = quantiseOnnx(model);
    expect(layers.map(({ name }) => name)).toEqual(['w0', 'w1', 'w2']);
    expect(Math.max(...layers.map(({ relativeError }) => relativeError))).toBeLessThan(0.01);
    expect(bytesAfter / bytesBefore).toBeLessThan(0.27);
    expect(distance(await compute(model, 64), await compute(file, 64))).toBeLessThan(0.02);
  });

  it('take a Gemm with its bias and its transposed weight', async () => {
    const random = createRandom(9);
    const model = encodeOnnxModel({
      name: 'gemm',
      opsets: { '': 17 },
      nodes: [
        {
          operator: 'Gemm',
          domain: '',
          inputs: ['x', 'w', 'b'],
          outputs: ['y'],
          attributes: { transB: { int: 1 } },
        },
      ],
      initializers: [
        {
          name: 'w',
          shape: [96, 64],
          data: Float32Array.from({ length: 96 * 64 }, () => random.next() - 0.5),
        },
        { name: 'b', shape: [96], data: Float32Array.from({ length: 96 }, () => random.next()) },
      ],
      inputs: [{ name: 'x', type: 'float32', shape: ['rows', 64] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['rows', 96] }],
    });
    const { file, layers } = quantiseOnnx(model);
    expect(layers).toHaveLength(1);
    expect(distance(await compute(model, 64), await compute(file, 64))).toBeLessThan(0.02);
  });

  it('leave small and unknown layers as they are', () => {
    const model = perceptron([8, 8]);
    expect(quantiseOnnx(model).layers).toEqual([]);
  });
});
