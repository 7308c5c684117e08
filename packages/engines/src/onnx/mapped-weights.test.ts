import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultBatchPolicy } from '@gantry/serving';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { beside } from '../testing/tensor-models.ts';
import { createTensorEngine } from './create-tensor-engine.ts';

const width = 1_024;
const headerBytes = 64;
let folder: string;
const weights = Float32Array.from({ length: width * width }, (_, at) => (at % 7) - 3);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-mapped-'));
  const file = Buffer.concat([Buffer.alloc(headerBytes), Buffer.from(weights.buffer)]);
  await writeFile(join(folder, 'weights.bin'), file);
  await writeFile(join(folder, 'model.onnx'), beside(width, width, 'weights.bin', headerBytes));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([true, false])(
  'computes with weights that lie in a file of their own, kept mapped: %s',
  async (isMapped) => {
    await using engine = await createTensorEngine({
      modelPath: join(folder, 'model.onnx'),
      threads: 1,
      policy: defaultBatchPolicy,
      isBatchDeclared: false,
      isMapped,
    });
    const ones = new Uint8Array(new Float32Array(width).fill(1).buffer);
    const call = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, width], bytes: ones }],
      outputs: [],
    } as const;
    const [y] = await engine.infer(call as never, new AbortController().signal);
    const column = new Float32Array(y?.bytes.slice().buffer ?? new ArrayBuffer(0))[3];
    let expected = 0;
    for (let row = 0; row < width; row++) expected += weights[row * width + 3] as number;
    expect(column).toBeCloseTo(expected, 2);
    expect(readFileSync('/proc/self/maps', 'utf8').includes(join(folder, 'weights.bin'))).toBe(isMapped);
  },
);
