/** Models with a memory, of variable length, and of several models, over the Open Inference Protocol. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serveTensors, type BatchingOptions, type EngineServer } from '../index.ts';
import { ensembleSignature, parseEnsemble } from '../onnx/ensemble-spec.ts';
import { SequencedModel } from '../onnx/sequenced-model.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import type { TensorModel } from '../onnx/tensor-model.ts';
import { perceptron, runningTotal, sumModel } from '../testing/tensor-models.ts';

let folder: string;
let running: EngineServer | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-tensors-'));
});
afterEach(async () => {
  await running?.[Symbol.asyncDispose]();
  running = undefined;
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

async function start(modelPath: string, batching?: BatchingOptions): Promise<string> {
  running = await serveTensors({
    modelPath,
    modelName: 'model',
    listen: { port: 0 },
    threads: 1,
    ...(batching === undefined ? {} : { batching }),
  });
  await running.loaded;
  return `http://127.0.0.1:${'port' in running.address ? running.address.port : 0}`;
}

async function write(name: string, model: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, model);
  return path;
}

interface Answer {
  readonly status: number;
  readonly error?: string;
  readonly outputs: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>
  >;
}

async function infer(
  origin: string,
  inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>,
  parameters: object = {},
): Promise<Answer> {
  const body = {
    parameters,
    inputs: Object.entries(inputs).map(([name, tensor]) => ({ name, datatype: 'FP32', ...tensor })),
  };
  const response = await fetch(`${origin}/v2/models/model/infer`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as {
    error?: string;
    outputs?: { name: string; shape: number[]; data: number[] }[];
  };
  return {
    status: response.status,
    ...(json.error === undefined ? {} : { error: json.error }),
    outputs: Object.fromEntries((json.outputs ?? []).map(({ name, shape, data }) => [name, { shape, data }])),
  };
}

const statsOf = async (origin: string): Promise<Record<string, number>> =>
  (await (await fetch(`${origin}/stats`)).json()) as Record<string, number>;
const metadataOf = async (
  origin: string,
): Promise<{ inputs: { name: string }[]; outputs: { name: string }[] }> =>
  (await (await fetch(`${origin}/v2/models/model`)).json()) as never;

describe('sequences', () => {
  const sequence = { states: { before: 'after' } };
  const add = async (origin: string, id: unknown, x: number, flags: object = {}): Promise<Answer> =>
    infer(origin, { x: { shape: [1, 1], data: [x] } }, { sequence_id: id, ...flags });

  it('carries the state of each from request to request, and shows none of it', async () => {
    const origin = await start(await write('total.onnx', runningTotal()), { sequence });
    expect((await metadataOf(origin)).inputs.map(({ name }) => name)).toEqual(['x']);
    const first = { sequence_start: true };
    await Promise.all([add(origin, 1, 10, first), add(origin, 'b', 1, first)]);
    // Sent together: those of one sequence in order, those of two at once.
    const answers = await Promise.all([
      add(origin, 1, 5),
      add(origin, 'b', 1),
      add(origin, 1, 5),
      add(origin, 'b', 1),
    ]);
    expect(answers.map(({ outputs }) => outputs['total']?.data[0])).toEqual([15, 2, 20, 3]);
    expect(Object.keys(answers[0]?.outputs ?? {})).toEqual(['total']);
    expect((await add(origin, 1, 1, { sequence_end: true })).outputs['total']?.data).toEqual([21]);
    expect(await statsOf(origin)).toMatchObject({ sequences: 1 });
    expect((await add(origin, 'b', 7, first)).outputs['total']?.data).toEqual([7]);
  });

  it('refuses what has no sequence, an unknown one, several rows and too many', async () => {
    const origin = await start(await write('total.onnx', runningTotal()), {
      sequence: { ...sequence, most: 1 },
    });
    expect(await infer(origin, { x: { shape: [1, 1], data: [1] } })).toMatchObject({ status: 400 });
    expect((await add(origin, 9, 1)).error).toContain('The sequence 9 is not known here.');
    const rows = await infer(
      origin,
      { x: { shape: [2, 1], data: [1, 1] } },
      { sequence_id: 1, sequence_start: true },
    );
    expect(rows).toMatchObject({ status: 400 });
    await add(origin, 1, 1, { sequence_start: true });
    expect(await add(origin, 2, 1, { sequence_start: true })).toMatchObject({ status: 429 });
    const wrong = start(await write('total.onnx', runningTotal()), { sequence: { states: { y: 'after' } } });
    await expect(wrong).rejects.toMatchObject({ code: 'model_invalid' });
  });

  it('forgets one that is idle too long, never one that is being computed, and keeps the state of a failed request', async () => {
    const info = { datatype: 'FP32', shape: [-1, 1] } as const;
    let now = 0;
    let fails = false;
    let held = Promise.resolve();
    const model: TensorModel = {
      signature: {
        inputs: [
          { name: 'x', ...info },
          { name: 'before', ...info },
        ],
        outputs: [{ name: 'total', ...info }],
      },
      infer: async ({ inputs }) => {
        await held;
        if (fails) throw new Error('broken');
        const [x = 0, before = 0] = inputs.map(({ bytes }) => new Float32Array(bytes.slice().buffer)[0]);
        return [
          {
            name: 'total',
            datatype: 'FP32',
            shape: [1, 1],
            bytes: new Uint8Array(Float32Array.of(x + before).buffer),
          },
        ];
      },
      stats: () => ({}),
      [Symbol.asyncDispose]: async () => undefined,
    };
    const options = { states: { before: 'total' }, idleMs: 100, most: 10, nowMs: () => now };
    const sequenced = new SequencedModel(model, options);
    const ask = (id: string, isStart = false): Promise<unknown> => {
      const x = {
        name: 'x',
        datatype: 'FP32',
        shape: [1, 1],
        bytes: new Uint8Array(Float32Array.of(1).buffer),
      } as const;
      const rest = {
        id: undefined,
        outputs: [],
        isBinaryDefault: false,
        priority: undefined,
        timeoutMs: undefined,
      };
      const call: InferCall = { ...rest, inputs: [x], sequence: { id, isStart, isEnd: false } };
      return sequenced.infer(call, new AbortController().signal);
    };
    await ask('a', true);
    fails = true;
    await expect(ask('a')).rejects.toThrow('broken');
    fails = false;
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    const slow = ask('b', true);
    now = 150;
    await expect(ask('a')).rejects.toMatchObject({ param: 'sequence_id' });
    release();
    await slow;
    await ask('b');
    expect(sequenced.stats()).toEqual({ sequences: 1, sequencesTimedOut: 1 });
  });
});

describe('variable lengths', () => {
  it('are filled up to a few, run together, and the answers are cut back; the waste is told', async () => {
    const path = await write('lengths.onnx', sumModel());
    const origin = await start(path, {
      lengths: [4, 8],
      maxDelayMs: 2_000,
      preferredSizes: [3],
      maxBatchSize: 3,
    });
    const asked = [[1, 2, 3], [1, 2, 3, 4], [5]].map((data) =>
      infer(origin, { x: { shape: [1, data.length], data } }),
    );
    const answers = await Promise.all(asked);
    expect(answers.map(({ outputs }) => outputs['y']?.data[0])).toEqual([12, 20, 10]);
    expect(answers.map(({ outputs }) => outputs['echo']?.shape)).toEqual([
      [1, 3],
      [1, 4],
      [1, 1],
    ]);
    expect(answers[0]?.outputs['echo']?.data).toEqual([1, 2, 3]);
    expect(await statsOf(origin)).toMatchObject({ batches: 1, lengthWaste: 4 / 12 });
    const long = Array.from({ length: 11 }, () => 1);
    expect((await infer(origin, { x: { shape: [1, 11], data: long } })).outputs['y']?.data).toEqual([22]);
  });
});

describe('lengths beyond the last', () => {
  const ask = (origin: string, length: number): Promise<Answer> =>
    infer(origin, { x: { shape: [1, length], data: Array.from({ length }, () => 1) } });

  it('are cut or refused where the endpoint says so, and what was cut is told', async () => {
    const path = await write('lengths.onnx', sumModel());
    const cutting = await start(path, { lengths: [4], overlong: 'truncate' });
    expect((await ask(cutting, 6)).outputs).toMatchObject({ y: { data: [8] }, echo: { shape: [1, 4] } });
    expect(await statsOf(cutting)).toMatchObject({ truncated: 1, truncatedCells: 2, lengthWaste: 0 });
    await running?.[Symbol.asyncDispose]();
    const refusing = await start(path, { lengths: [4], overlong: 'refuse' });
    expect((await ask(refusing, 4)).status).toBe(200);
    expect(await ask(refusing, 6)).toMatchObject({
      status: 400,
      error: expect.stringContaining('A length of 6 is more than the 4 that are taken') as string,
    });
  });

  it('are filled and cut for a model that takes one length only, and that it does so shows nowhere', async () => {
    const path = await write('static.onnx', sumModel({ rows: 2, columns: 4 }));
    const origin = await start(path, { lengths: [4], overlong: 'truncate' });
    expect((await metadataOf(origin)).inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [2, -1] }]);
    expect((await ask(origin, 3)).outputs).toMatchObject({ y: { data: [6] }, echo: { shape: [1, 3] } });
    expect((await ask(origin, 9)).outputs).toMatchObject({ y: { data: [8] }, echo: { shape: [1, 4] } });
    expect(await statsOf(origin)).toMatchObject({ lengthWaste: 1 / 8, truncatedCells: 5, waste: 0.5 });
  });
});

describe('ensembles', () => {
  const steps = [
    { model: 'sum.onnx', inputs: { x: 'table' }, outputs: { echo: 'rows', y: 'sums' } },
    { model: 'net.onnx', inputs: { x: 'rows' }, outputs: { y: 'scores' } },
    { model: 'net.onnx', inputs: { x: 'scores' }, outputs: { y: 'again' } },
  ];

  it('answers as one model: steps run when what they take is there', async () => {
    const place = join(folder, 'pipeline');
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'sum.onnx'), sumModel({ columns: 3 }));
    await writeFile(join(place, 'net.onnx'), perceptron([3, 3]));
    await writeFile(join(place, 'ensemble.json'), JSON.stringify({ steps, outputs: ['sums', 'again'] }));
    const origin = await start(join(place, 'ensemble.json'));
    const { inputs, outputs } = await metadataOf(origin);
    expect([inputs, outputs].map((infos) => infos.map(({ name }) => name))).toEqual([
      ['table'],
      ['sums', 'again'],
    ]);
    const table = { shape: [2, 3], data: [1, 0, 0, 0, 1, 0] };
    const whole = await infer(origin, { table });
    expect(whole.outputs['sums']?.data).toEqual([2, 2]);
    // Of the models together: the network has two steps, and is one.
    expect(await statsOf(origin)).toMatchObject({ requests: 3, rows: 6, batches: 3, instances: 2 });
    await running?.[Symbol.asyncDispose]();
    // By hand, through the same network twice.
    const alone = await start(join(place, 'net.onnx'));
    const once = (await infer(alone, { x: table })).outputs['y'];
    const twice = once && (await infer(alone, { x: once })).outputs['y'];
    expect(whole.outputs['again']).toEqual(twice);
    expect((await infer(alone, { y: table })).status).toBe(400);
  });

  it.each([
    ['no JSON', '{'],
    ['no steps', { steps: [], outputs: ['y'] }],
    ['a model elsewhere', { steps: [{ ...steps[0], model: '../sum.onnx' }], outputs: ['sums'] }],
    ['names that are no names', { steps: [{ ...steps[0], inputs: { x: 3 } }], outputs: ['sums'] }],
  ])('refuses %s', (_name, spec) => {
    expect(() => parseEnsemble(typeof spec === 'string' ? spec : JSON.stringify(spec))).toThrow('ensemble');
  });

  it.each([
    ['an output that nobody gives', { outputs: ['other'] }],
    [
      'steps that wait for each other',
      { steps: [{ ...steps[0], inputs: { x: 'again' } }, ...steps.slice(1)] },
    ],
    ['two steps that give one name', { steps: [...steps, { ...steps[2], outputs: { y: 'scores' } }] }],
    ['an input that the model does not have', { steps: [{ ...steps[0], inputs: { z: 'table' } }] }],
    ['shapes that cannot meet', { steps: [steps[0], { ...steps[1], inputs: { x: 'sums' } }] }],
  ])('refuses %s', (_name, change) => {
    const spec = parseEnsemble(JSON.stringify({ steps, outputs: ['sums'], ...change }));
    const x = { name: 'x', datatype: 'FP32', shape: [-1, 3] } as const;
    const flat = { datatype: 'FP32', shape: [-1] } as const;
    const signatures = spec.steps.map(({ model }) =>
      model === 'sum.onnx'
        ? {
            inputs: [x],
            outputs: [
              { name: 'y', ...flat },
              { ...x, name: 'echo' },
            ],
          }
        : { inputs: [x], outputs: [{ ...x, name: 'y' }] },
    );
    expect(() => ensembleSignature(spec, signatures)).toThrow('The ensemble cannot be served');
  });
});
