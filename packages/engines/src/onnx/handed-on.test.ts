/** Bytes that nobody else reads change hands instead of being copied; all others stay as they were. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { InferCall } from '../oip/parse-infer.ts';
import { joinRows, sliceRows, type WireTensor } from '../oip/wire-tensor.ts';
import { sumModel } from '../testing/tensor-models.ts';
import { parseEnsemble } from './ensemble-spec.ts';
import { Ensemble } from './ensemble.ts';
import { startInstance } from './onnx-instance.ts';
import type { TensorModel } from './tensor-model.ts';

const tensor = (): WireTensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [1, 2],
  bytes: new Uint8Array(Float32Array.of(1, 2).buffer),
});

it('a session takes what is owned, copies what is not, and owns what it gives', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-handed-'));
  const modelPath = join(folder, 'sum.onnx');
  await writeFile(modelPath, sumModel());
  try {
    await using instance = await startInstance({ modelPath, threads: 1, providers: ['cpu'] });
    const [kept, joined, part] = [
      tensor(),
      joinRows([tensor(), tensor()]),
      sliceRows(joinRows([tensor(), tensor()]), 1, 1),
    ];
    for (const x of [kept, part, joined]) {
      const { tensors } = await instance.run([x], ['y', 'echo']);
      expect(tensors.map(({ isOwned }) => isOwned)).toEqual([true, true]);
    }
    expect([kept, part, joined].map(({ bytes }) => bytes.byteLength)).toEqual([8, 8, 0]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('an ensemble hands on what one step takes and nobody else gets', async () => {
  const taken: Record<string, boolean | undefined> = {};
  /** Gives what it takes, under other names, and notes whether it may have it. */
  const copier = (outputs: readonly string[]): TensorModel => ({
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: outputs.map((name) => ({ name, datatype: 'FP32', shape: [-1, 2] })),
    },
    infer: async ({ id, inputs: [x] }: InferCall) => {
      taken[`${id}${Object.keys(taken).length}`] = x?.isOwned;
      return outputs.map((name) => ({ ...tensor(), name, isOwned: true }));
    },
    stats: () => ({}),
    [Symbol.asyncDispose]: async () => undefined,
  });
  const spec = parseEnsemble(
    JSON.stringify({
      steps: [
        { model: 'a.onnx', inputs: { x: 'table' }, outputs: { one: 'once', two: 'twice', three: 'shown' } },
        { model: 'b.onnx', inputs: { x: 'once' }, outputs: { y: 'b' } },
        { model: 'b.onnx', inputs: { x: 'twice' }, outputs: { y: 'c' } },
        { model: 'b.onnx', inputs: { x: 'twice' }, outputs: { y: 'd' } },
        { model: 'b.onnx', inputs: { x: 'shown' }, outputs: { y: 'e' } },
      ],
      outputs: ['b', 'c', 'd', 'e', 'shown'],
    }),
  );
  const follower = copier(['y']);
  await using ensemble = new Ensemble(spec, [
    copier(['one', 'two', 'three']),
    ...Array.from({ length: 4 }, () => follower),
  ]);
  const rest = { outputs: [], isBinaryDefault: false, priority: undefined, timeoutMs: undefined };
  const table = { ...tensor(), name: 'table' };
  await ensemble.infer({ id: 'step', inputs: [table], ...rest }, new AbortController().signal);
  expect(taken).toEqual({ step0: undefined, step1: true, step2: false, step3: false, step4: false });
});
