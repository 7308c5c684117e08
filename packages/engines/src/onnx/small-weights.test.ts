/** ONNX models with small weights or calibrated activations, computed by ONNX Runtime beside the ones they were made from. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calibrationMethods, quantiseOnnx, quantiseOnnxStatic } from '@gantry/conversion';
import { createRandom } from '@gantry/kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perceptron } from '../testing/tensor-models.ts';
import { calibrate } from './calibrate.ts';
import { startInstance } from './onnx-instance.ts';

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-small-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const write = async (model: Uint8Array): Promise<string> => {
  const path = join(folder, `${++made}.onnx`);
  await writeFile(path, model);
  return path;
};
const input = (seed: number, columns = 64) => {
  const random = createRandom(seed);
  const x = Float32Array.from({ length: 4 * columns }, () => random.next() * 2 - 1);
  return { name: 'x', datatype: 'FP32' as const, shape: [4, columns], bytes: new Uint8Array(x.buffer) };
};

async function compute(model: Uint8Array): Promise<Float32Array> {
  await using instance = await startInstance({
    modelPath: await write(model),
    threads: 1,
    providers: ['cpu'],
  });
  const { tensors } = await instance.run([input(3)], ['y']);
  return new Float32Array((tensors[0] as (typeof tensors)[number]).bytes.slice().buffer);
}

function distance(one: Float32Array, other: Float32Array): number {
  let [error, size] = [0, 0];
  for (const [at, value] of one.entries()) {
    error += (value - (other[at] as number)) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

const model = perceptron([64, 256, 256, 64]);

describe('weights alone', () => {
  it.each([
    ['fp16-weights', 0.51, 0.001],
    ['int8-weights', 0.27, 0.02],
    ['int4-weights', 0.17, 0.2],
  ] as const)('%s: of %d of the size, within %d', async (type, size, bound) => {
    const { file, layers, bytesBefore, bytesAfter } = quantiseOnnx(model, type);
    expect(layers.map(({ name }) => name)).toEqual(['w0', 'w1', 'w2']);
    expect(bytesAfter / bytesBefore).toBeLessThan(size);
    const error = distance(await compute(model), await compute(file));
    expect(error).toBeLessThan(bound);
    expect(error).toBeGreaterThan(0);
  });

  it('of four bits take rows that fill no block', async () => {
    const odd = perceptron([64, 100, 64]);
    const { file, layers } = quantiseOnnx(odd, 'int4-weights');
    expect(layers).toHaveLength(2);
    expect(distance(await compute(odd), await compute(file))).toBeLessThan(0.2);
  });
});

describe('calibrated activations', () => {
  const samples = Array.from({ length: 8 }, (_, seed) => [input(100 + seed)]);

  it.each(calibrationMethods)('of 8 bits by %s are near the model', async (method) => {
    const ranges = await calibrate({ modelPath: await write(model), samples, method });
    expect(ranges.size).toBe(3);
    const { file, layers, bytesBefore, bytesAfter } = quantiseOnnxStatic(model, ranges);
    expect(layers).toHaveLength(3);
    expect(bytesAfter / bytesBefore).toBeLessThan(0.28);
    expect(distance(await compute(model), await compute(file))).toBeLessThan(0.06);
  });

  it('of 16 bits are nearer than of 8', async () => {
    const ranges = await calibrate({ modelPath: await write(model), samples, method: 'minmax' });
    const exact = await compute(model);
    const [narrow, wide] = await Promise.all(
      (['uint8', 'uint16'] as const).map(async (type) =>
        distance(exact, await compute(quantiseOnnxStatic(model, ranges, type).file)),
      ),
    );
    expect(wide).toBeLessThan(narrow ?? 0);
  });

  it('leave a layer whose input was never seen in floats', () => {
    const ranges = new Map([['x', { low: -1, high: 1 }]]);
    expect(quantiseOnnxStatic(model, ranges).layers).toHaveLength(1);
  });
});
