import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serveTensors, type BatchingOptions, type EngineServer } from '../index.ts';
import type { TensorServiceOptions } from './tensor-service.ts';
import { sumModel, type SumModelOptions } from '../testing/tensor-models.ts';

let folder: string;
let running: EngineServer | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-tensor-'));
});
afterEach(async () => {
  await running?.[Symbol.asyncDispose]();
  running = undefined;
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

let models = 0;
const log: string[] = [];
async function start(
  model: SumModelOptions | Uint8Array,
  batching?: BatchingOptions,
  warmUp?: TensorServiceOptions['warmUp'],
): Promise<string> {
  const modelPath = join(folder, `${models++}.onnx`);
  await writeFile(modelPath, model instanceof Uint8Array ? model : sumModel(model));
  running = await serveTensors({
    modelPath,
    modelName: 'sum',
    listen: { port: 0 },
    threads: 1,
    onLog: (line) => log.push(line),
    ...(batching === undefined ? {} : { batching }),
    ...(warmUp === undefined ? {} : { warmUp }),
  });
  await running.loaded;
  return `http://127.0.0.1:${'port' in running.address ? running.address.port : 0}`;
}

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  readonly parameters?: { readonly binary_data_size: number };
}
interface InferBody {
  readonly error?: string;
  readonly outputs?: readonly Tensor[];
}
const fp32 = (shape: readonly number[], data: readonly unknown[]) => ({
  name: 'x',
  datatype: 'FP32',
  shape,
  data,
});
const infer = async (origin: string, body: object): Promise<{ status: number; body: InferBody }> => {
  const response = await fetch(`${origin}/v2/models/sum/infer`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as InferBody };
};
const statsOf = async (origin: string): Promise<Record<string, number>> =>
  (await (await fetch(`${origin}/stats`)).json()) as Record<string, number>;

it('an engine says in its log what it serves and how', async () => {
  await start({ columns: 2 }, { maxBatchSize: 4, instances: 2 });
  expect(log.at(-1)).toMatch(
    /Z ready after .*: sum takes x FP32 \[\?, 2\] and gives .*, batches up to 4, 2 instances of 1 thread on cpu$/u,
  );
});

it('every line of its log begins with its time, those of its warm-up too', async () => {
  log.length = 0;
  await start({ columns: 2 }, { maxBatchSize: 4 }, [{ name: 'usual', rows: 2, count: 1, inputs: {} }]);
  expect(log.filter((line) => line.includes('warm-up "usual"'))).toHaveLength(1);
  expect(log.filter((line) => !/^\d{4}-\d\d-\d\dT[\d:.]+Z /.test(line))).toEqual([]);
});

describe('where a tensor model computes', () => {
  it('is what the endpoint names, and a lack is told with its remedy', async () => {
    const origin = await start({ columns: 2 }, { providers: ['cpu'], pinThreads: true, mapWeights: true });
    expect(await infer(origin, { inputs: [fp32([1, 2], [1, 2])] })).toMatchObject({ status: 200 });
    await running?.[Symbol.asyncDispose]();
    await expect(start({ columns: 2 }, { providers: ['cuda', 'cpu'] })).rejects.toMatchObject({
      code: 'model_invalid',
      hint: expect.stringContaining('gantry engine install cuda') as string,
    });
  });
});

describe('tensor engine over the Open Inference Protocol', () => {
  it('tells what the model takes and answers in JSON, nested or flat', async () => {
    const origin = await start({ columns: 2 });
    expect(await (await fetch(`${origin}/v2/models/sum`)).json()).toEqual({
      name: 'sum',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [
        { name: 'y', datatype: 'FP32', shape: [-1] },
        { name: 'echo', datatype: 'FP32', shape: [-1, 2] },
      ],
    });
    const asked = [
      fp32([2, 2], [1, 2, 3, 4]),
      fp32(
        [2, 2],
        [
          [1, 2],
          [3, 4],
        ],
      ),
    ];
    for (const input of asked) {
      const { body } = await infer(origin, { id: 'q', inputs: [input], outputs: [{ name: 'y' }] });
      expect(body).toEqual({
        model_name: 'sum',
        model_version: '1',
        id: 'q',
        outputs: [{ name: 'y', datatype: 'FP32', shape: [2], data: [6, 14] }],
      });
    }
  });

  it('carries tensors in binary, both ways, an output at a time', async () => {
    const origin = await start({});
    const raw = Buffer.from(Float32Array.of(1, 2, 3).buffer);
    const json = Buffer.from(
      JSON.stringify({
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [1, 3], parameters: { binary_data_size: raw.length } },
        ],
        outputs: [{ name: 'y' }, { name: 'echo', parameters: { binary_data: true } }],
      }),
    );
    const response = await fetch(`${origin}/v2/models/sum/infer`, {
      method: 'POST',
      headers: { 'inference-header-content-length': String(json.length) },
      body: Buffer.concat([json, raw]),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    const { outputs } = JSON.parse(bytes.subarray(0, length).toString()) as { outputs: Tensor[] };
    expect(outputs).toEqual([
      { name: 'y', datatype: 'FP32', shape: [1], data: [12] },
      { name: 'echo', datatype: 'FP32', shape: [1, 3], parameters: { binary_data_size: 12 } },
    ]);
    expect(bytes.subarray(length)).toEqual(raw);
  });

  it.each([
    ['a missing input', { inputs: [{ name: 'z', datatype: 'FP32', shape: [1], data: [1] }] }, '"z"'],
    ['another type', { inputs: [{ name: 'x', datatype: 'INT64', shape: [1, 2], data: [1, 2] }] }, 'FP32'],
    ['another shape', { inputs: [fp32([2], [1, 2])] }, '[-1, 2]'],
    ['values that are too few', { inputs: [fp32([1, 2], [1])] }, '1 value;'],
    ['a value of another kind', { inputs: [fp32([1, 2], [1, 'two'])] }, 'Value 1'],
    ['an unknown output', { inputs: [fp32([1, 2], [1, 2])], outputs: [{ name: 'q' }] }, '"q"'],
    ['no rows', { inputs: [fp32([0, 2], [])] }, 'no row'],
    ['no tensors', { inputs: [] }, 'at least one'],
    ['a size that is a lie', { inputs: [fp32([2 ** 40, 2 ** 40], [])] }, 'shape'],
  ])('refuses %s and says why', async (_what, body, said) => {
    const origin = await start({ columns: 2 });
    const answer = await infer(origin, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(said);
  });

  it('refuses a file that is no model', async () => {
    const modelPath = join(folder, 'broken.onnx');
    await writeFile(modelPath, 'this is no protobuf');
    running = await serveTensors({ modelPath, modelName: 'sum', listen: { port: 0 }, threads: 1 });
    await expect(running.loaded).rejects.toMatchObject({ code: 'model_invalid' });
  });
});

describe('dynamic batching', () => {
  it('joins what waits together and gives everybody their own rows', async () => {
    const origin = await start({}, { maxBatchSize: 8, maxDelayMs: 50 });
    const answers = await Promise.all(
      Array.from({ length: 32 }, async (_, index) => {
        const rows = 1 + (index % 3);
        const data = Array.from({ length: rows * 4 }, (_, at) => index * 100 + at);
        const { body } = await infer(origin, { inputs: [fp32([rows, 4], data)] });
        const [y, echo] = body.outputs ?? [];
        expect(echo?.data).toEqual(data);
        return [y?.data, data] as const;
      }),
    );
    for (const [y, data] of answers) {
      const sums = data.reduce<number[]>((all, value, at) => {
        all[Math.floor(at / 4)] = (all[Math.floor(at / 4)] ?? 0) + 2 * value;
        return all;
      }, []);
      expect(y).toEqual(sums);
    }
    const { batches, rows, requests } = await statsOf(origin);
    expect(requests).toBe(32);
    expect(rows).toBe(63);
    expect(batches).toBeLessThan(32);
  });

  it('never joins inputs of different shapes', async () => {
    const origin = await start({}, { maxDelayMs: 5 });
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const columns = 1 + (index % 4);
        const { body } = await infer(origin, { inputs: [fp32([1, columns], Array(columns).fill(1))] });
        return [columns, (body.outputs ?? [])[0]?.data];
      }),
    );
    for (const [columns, y] of answers) expect(y).toEqual([(columns as number) * 2]);
  });

  it('fills a fixed batch with padding and reports the waste', async () => {
    const origin = await start({ rows: 4, columns: 2 }, { maxDelayMs: 0 });
    const { body } = await infer(origin, { inputs: [fp32([3, 2], [1, 1, 2, 2, 3, 3])] });
    expect((body.outputs ?? [])[0]).toMatchObject({ shape: [3], data: [4, 8, 12] });
    expect(await statsOf(origin)).toMatchObject({ rows: 3, paddedRows: 1, waste: 0.25 });
    const tooMany = await infer(origin, { inputs: [fp32([5, 2], Array(10).fill(0))] });
    expect(tooMany.status).toBe(400);
    expect(tooMany.body.error).toContain('at most 4');
  });

  it('times out what waits too long, by its own limit', async () => {
    const origin = await start({}, { maxBatchSize: 4, maxDelayMs: 10_000, timeoutMs: 30 });
    const answer = await infer(origin, { inputs: [fp32([1, 1], [1])] });
    expect(answer.status).toBe(504);
    expect(answer.body.error).toContain('waited longer');
  });
});
