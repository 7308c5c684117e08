/** A version that no engine of a job reads is judged by asking the endpoint that serves it, and its gate believes that. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { type EngineServer, serveTensors } from '@gantry/engines';
import { cycle, writePermutationModel } from '@gantry/engines/testing';
import { perceptron } from '@gantry/engines/testing/tensor-models';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runJob } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
let folder: string;
let far: EngineServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-through-'));
  await writeFile(join(folder, 'scorer.onnx'), perceptron([4, 3]));
  home = await startMemoryServer();
  far = await serveTensors({
    listen: { port: 0 },
    modelPath: join(folder, 'scorer.onnx'),
    modelName: 'far-scorer',
    threads: 1,
  });
  await far.loaded;
}, 120_000);
afterAll(async () => {
  await far[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const run = (spec: JobSpecInput): Promise<Job> => runJob(home.operator, { workdir: folder, ...spec });

const versionOf = async (model: string, number: number) => {
  const { items } = await home.operator.call('models.versions', { params: { name: model } });
  return items.find((version) => version.number === number);
};

const farUrl = (): string => `http://127.0.0.1:${'port' in far.address ? far.address.port : 0}`;

it('a language model through its own endpoint, beside its source that the job serves to itself', async () => {
  const { operator } = home;
  for (const seed of [1, 1]) {
    const path = join(folder, 'lm.gguf');
    await writePermutationModel(path, { seed });
    const isFirst = (await versionOf('lm', 1).catch(() => undefined)) === undefined;
    const source = isFirst ? undefined : { tool: 'elsewhere', model: 'lm@1' };
    await operator.call('models.import', { body: { name: 'lm', path, ...(source && { source }) } });
  }
  await operator.call('endpoints.create', { body: { name: 'small', model: 'lm@2' } });
  await writeFile(join(folder, 'held-out.txt'), cycle.repeat(4));
  const measured = await run({
    evaluate: { model: 'lm@2', data: 'held-out.txt', window: 60, through: 'small' },
  });
  expect(measured).toMatchObject({ state: 'succeeded' });
  const version = await versionOf('lm', 2);
  expect(version?.evaluations[0]).toMatchObject({ job: measured.name, against: 'lm@1', through: 'small' });
  expect(version?.evaluations[0]?.comparison?.topAgreement).toBeGreaterThan(0.99);
  expect(version?.gate).toEqual({ state: 'passed', why: [] });
  // It was asked like by any client: in the name of who wanted to know, and paid for.
  const { items } = await operator.call('endpoints.list', {});
  expect(items.find(({ name }) => name === 'small')?.state).toBe('ready');
});

it('a plan through the servers of others, once an admin said which version they hold', async () => {
  const { operator } = home;
  const path = join(folder, 'scorer.onnx');
  await operator.call('models.import', { body: { name: 'scorer', path } });
  await operator.call('models.import', {
    body: { name: 'scorer', path, source: { tool: 'trtexec', model: 'scorer@1' } },
  });
  const servers = { engine: 'oip' as const, urls: [farUrl()], modelName: 'far-scorer' };
  await operator.call('endpoints.connect', { body: { name: 'nameless', ...servers } });
  await operator.call('endpoints.connect', { body: { name: 'trt', ...servers, serves: 'scorer@2' } });
  const shown = await operator.call('endpoints.get', { params: { name: 'trt' } });
  expect(shown.remote).toMatchObject({ serves: 'scorer@2' });

  const row = (at: number) =>
    JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [at % 3, 1, -1, at % 5] }],
      label: at % 3,
    });
  await writeFile(join(folder, 'rows.jsonl'), Array.from({ length: 30 }, (_, at) => row(at)).join('\n'));
  const measured = await run({ evaluate: { model: 'scorer@2', data: 'rows.jsonl', through: 'trt' } });
  expect(measured).toMatchObject({ state: 'succeeded' });
  const version = await versionOf('scorer', 2);
  expect(version?.evaluations[0]).toMatchObject({
    through: 'trt',
    comparison: { positions: 30, topAgreement: 1 },
    metrics: { accuracy: expect.any(Number) },
  });
  expect(version?.gate.state).toBe('passed');
  await operator.call('models.alias', {
    params: { name: 'scorer', alias: 'production' },
    body: { version: 2 },
  });

  const refusal = async (evaluate: object): Promise<readonly [string, string]> => {
    const { body } = await home.ask('POST', '/api/v1/jobs', {
      key: home.operatorKey,
      body: { workdir: folder, evaluate: { model: 'scorer@2', data: 'rows.jsonl', ...evaluate } },
    });
    return [body.error.code, body.error.message];
  };
  expect(await refusal({ through: 'nameless' })).toEqual([
    'validation_failed',
    'nobody said which version the servers of nameless hold',
  ]);
  expect(await refusal({ through: 'small' })).toEqual([
    'validation_failed',
    'small serves lm@2, not scorer@2',
  ]);
  expect((await refusal({ through: 'ghost' }))[0]).toBe('not_found');
  expect((await refusal({ againstThrough: 'trt' }))[0]).toBe('validation_failed');
});

it('takes no member’s word for what servers hold, and no key of an attempt that is none', async () => {
  const key = await home.keyOf('default', 'ann', 'member', ['read', 'write', 'infer']);
  const said = await home.ask('POST', '/api/v1/endpoints/connect', {
    key,
    body: {
      name: 'mine',
      engine: 'oip',
      urls: ['https://models.example.com'],
      modelName: 'm',
      serves: 'scorer@2',
    },
  });
  expect([said.status, said.body.error.code]).toEqual([403, 'forbidden']);
  const forged = await home.ask('POST', '/v1/completions', {
    key: 'ga.job_1.att_1.AAAA',
    body: { model: 'small', prompt: 'a' },
  });
  expect(forged.status).toBe(401);
});
