/** Warm-up requests on the real runtime: what every session computes before anybody may ask. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultBatchPolicy } from '@gantry/serving';
import { perceptron, runningTotal, sumModel } from '../testing/tensor-models.ts';
import { openTensorModel, type TensorModelOptions } from './open-tensor-model.ts';
import type { WarmUpRequest } from './warm-up.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-warm-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

let models = 0;
/** Opens it as a replica would, and closes it: what it said in its log, and its statistics. */
async function warm(
  model: Uint8Array,
  warmUp: readonly WarmUpRequest[],
  more: Partial<TensorModelOptions> = {},
): Promise<{ readonly said: readonly string[]; readonly stats: object }> {
  const modelPath = join(folder, `${models++}.onnx`);
  await writeFile(modelPath, model);
  const said: string[] = [];
  await using opened = await openTensorModel({
    modelPath,
    threads: 1,
    policy: defaultBatchPolicy,
    isBatchDeclared: true,
    warmUp,
    onLog: (line) => said.push(line),
    ...more,
  });
  return { said, stats: opened.stats() };
}

describe('warm-up requests', () => {
  it('are computed as they are asked for, and are nobody’s request in the statistics', async () => {
    await mkdir(join(folder, 'warm'), { recursive: true });
    await writeFile(join(folder, 'warm/x.bin'), new Uint8Array(Float32Array.of(1, 2, 3).buffer));
    const { said, stats } = await warm(
      sumModel(),
      [
        { name: 'usual', rows: 8, count: 3, inputs: { x: { shape: [128], fill: 'random', seed: 7 } } },
        { inputs: { x: { shape: [2], values: [1, 2] } }, rows: 4 },
        { inputs: { x: { shape: [3], file: 'warm/x.bin' } } },
      ],
      { instances: 2 },
    );
    expect(said.map((line) => line.split(',', 2).join(','))).toEqual([
      'warm-up "usual": 8 rows, 3 times',
      'warm-up "2": 4 rows, 1 time',
      'warm-up "3": 1 row, 1 time',
    ]);
    expect(stats).toMatchObject({ requests: 0, batches: 0, instances: 2 });
  });

  it.each<[string, WarmUpRequest, string]>([
    [
      'an input that it does not have',
      { name: 'a', inputs: { z: {} } },
      '"a" failed: The model has no input "z"',
    ],
    [
      'values that do not fill a row',
      { inputs: { x: { shape: [3], values: [1, 2] } } },
      '"1" failed: "x" has 2 values',
    ],
    [
      'a file that is not there',
      { inputs: { x: { shape: [3], file: 'none.bin' } } },
      'none.bin, which is not there',
    ],
    ['a file of another size', { inputs: { x: { shape: [2], file: 'short.bin' } } }, 'has 3 bytes'],
    ['more rows than a batch holds', { rows: 33, inputs: { x: { shape: [2] } } }, 'at most 32'],
    ['sizes beyond all memory', { rows: 4096, inputs: { x: { shape: [1_048_576] } } }, 'larger than 1 GiB'],
  ])('refuse the model with their name where they name %s', async (_what, request, said) => {
    await writeFile(join(folder, 'short.bin'), 'abc');
    await expect(warm(sumModel(), [request])).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining(said) as string,
      hint: expect.any(String) as string,
    });
  });

  it('go the way of requests: filled up to a fixed batch, to a length, into a sequence that they end', async () => {
    const fixed = await warm(sumModel({ rows: 4, columns: 2 }), [{ rows: 3 }]);
    expect(fixed.stats).toMatchObject({ waste: 0, paddedRows: 0 });
    const lengths = await warm(sumModel(), [{ inputs: { x: { shape: [5] } } }], {
      buckets: { lengths: [8] },
    });
    expect(lengths.stats).toMatchObject({ lengthWaste: 0 });
    const sequence = { states: { before: 'after' }, idleMs: 1_000, most: 1 };
    const total = await warm(runningTotal(), [{ count: 2 }], { sequence });
    expect(total.stats).toMatchObject({ sequences: 0, sequencesTimedOut: 0 });
  });

  it('run through every step of an ensemble', async () => {
    const place = join(folder, 'pipeline');
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'sum.onnx'), sumModel({ columns: 3 }));
    await writeFile(join(place, 'net.onnx'), perceptron([3, 3]));
    const spec = {
      steps: [
        { model: 'sum.onnx', inputs: { x: 'table' }, outputs: { echo: 'rows' } },
        { model: 'net.onnx', inputs: { x: 'rows' }, outputs: { y: 'scores' } },
      ],
      outputs: ['scores'],
    };
    await writeFile(join(place, 'ensemble.json'), JSON.stringify(spec));
    const modelPath = join(place, 'ensemble.json');
    const ready = await warm(sumModel(), [{ inputs: { table: { values: [1, 2, 3] } }, rows: 2 }], {
      modelPath,
    });
    expect(ready.said).toHaveLength(1);
    await expect(warm(sumModel(), [{ inputs: { x: {} } }], { modelPath })).rejects.toThrow('no input "x"');
  });
});
