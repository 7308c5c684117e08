/** What the queue of a tensor model promises, over instances that compute when the test says so. */
import { createDeferred, type Deferred } from '@gantry/kit';
import { defaultBatchPolicy, type BatchPolicy } from '@gantry/serving';
import { expect, it } from 'vitest';
import type { InferCall } from '../oip/parse-infer.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import type { OnnxInstance, RunResult } from './onnx-instance.ts';
import { TensorEngine } from './tensor-engine.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, -1] }],
} as const;

const tensor = (name: string, rows: readonly (readonly number[])[]): WireTensor => ({
  name,
  datatype: 'FP32',
  shape: [rows.length, rows[0]?.length ?? 0],
  bytes: new Uint8Array(Float32Array.from(rows.flat()).buffer),
});

/** An engine of the identity; each run waits in `runs`, as the first values of its rows, until it is let go. */
function engineOf(policy: Partial<BatchPolicy>, instances = 1) {
  const runs: { readonly firsts: readonly number[]; readonly finish: () => void }[] = [];
  const instance: OnnxInstance = {
    signature,
    run: ([x]) => {
      const { shape, bytes } = x as WireTensor;
      const values = new Float32Array(bytes.slice().buffer);
      const done: Deferred<RunResult> = createDeferred();
      runs.push({
        firsts: Array.from({ length: shape[0] ?? 0 }, (_, row) => values[row * (shape[1] ?? 1)] ?? NaN),
        finish: () => done.resolve({ tensors: [{ ...(x as WireTensor), name: 'y' }], computeMs: 1 }),
      });
      return done.promise;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const options = { modelPath: '', threads: 1, isBatchDeclared: true };
  const engine = new TensorEngine(
    { ...options, policy: { ...defaultBatchPolicy, ...policy } },
    Array.from({ length: instances }, () => instance),
  );
  const answered: number[] = [];
  const ask = (value: number, columns: number, more: Partial<InferCall> = {}): Promise<void> => {
    const row = Array.from({ length: columns }, () => value);
    const rest = {
      id: undefined,
      outputs: [],
      isBinaryDefault: false,
      priority: undefined,
      timeoutMs: undefined,
    };
    const call = { ...rest, inputs: [tensor('x', [row])], ...more };
    return engine.infer(call, new AbortController().signal).then(([y]) => {
      answered.push(new Float32Array((y as WireTensor).bytes.slice().buffer)[0] ?? NaN);
    });
  };
  return { engine, runs, answered, ask };
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('the most urgent goes first whatever its shape, then whoever waited longest', async () => {
  const { runs, ask } = engineOf({ priorityLevels: 2, defaultPriority: 2, maxBatchSize: 2 });
  const all = [ask(1, 3), ask(2, 3), ask(3, 3), ask(4, 2), ask(5, 3), ask(6, 1, { priority: 1 })];
  const order: (readonly number[])[] = [];
  for (let at = 0; at < 5; at++) {
    await settle();
    order.push(runs[at]?.firsts ?? []);
    runs[at]?.finish();
  }
  await Promise.all(all);
  expect(order).toEqual([[1], [6], [2, 3], [4], [5]]);
});

it('the queue has one size for all shapes, each level its own, and refusals are counted', async () => {
  const queue = { ...defaultBatchPolicy.queue, maxQueueSize: 2 };
  const queueByPriority = { 1: { ...queue, maxQueueSize: 1 } };
  const { engine, runs, ask } = engineOf({ priorityLevels: 2, defaultPriority: 2, queue, queueByPriority });
  const all = [ask(1, 1), ask(2, 2), ask(3, 3), ask(4, 4, { priority: 1 })];
  expect(() => ask(5, 5)).toThrow('The queue of this model is full.');
  expect(() => ask(6, 6, { priority: 1 })).toThrow('The queue of this model is full.');
  expect(engine.stats()).toMatchObject({ queued: 3, refused: 2 });
  for (let at = 0; at < 4; at++) {
    await settle();
    runs[at]?.finish();
  }
  await Promise.all(all);
});

it('answers keep the order of arrival over shapes and instances where that is asked for', async () => {
  for (const [preserveOrdering, expected] of [
    [true, [1, 2, 3]],
    [false, [3, 2, 1]],
  ] as const) {
    const { runs, answered, ask } = engineOf({ preserveOrdering }, 3);
    const all = [ask(1, 1), ask(2, 2), ask(3, 3)];
    for (const { finish } of runs.toReversed()) {
      finish();
      await settle();
    }
    await Promise.all(all);
    expect(answered).toEqual(expected);
  }
});

it('who leaves while waiting is never computed and holds no other answer up', async () => {
  const { engine, runs, answered, ask } = engineOf({ preserveOrdering: true, maxBatchSize: 1 });
  const first = ask(1, 1);
  const leaving = new AbortController();
  const inputs = [tensor('x', [[2]])];
  const call = {
    id: undefined,
    inputs,
    outputs: [],
    isBinaryDefault: false,
    priority: undefined,
    timeoutMs: undefined,
  };
  const gone = engine.infer(call, leaving.signal);
  const last = ask(3, 1);
  leaving.abort();
  await expect(gone).rejects.toThrow('The client left.');
  runs[0]?.finish();
  await settle();
  runs[1]?.finish();
  await Promise.all([first, last]);
  expect([answered, runs.map(({ firsts }) => firsts)]).toEqual([
    [1, 3],
    [[1], [3]],
  ]);
});
