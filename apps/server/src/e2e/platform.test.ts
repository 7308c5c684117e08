/** The whole platform in one process on a real database: train, register, serve, bill, and keep tenants apart. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@gantry/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readOptions } from '../options.ts';
import { type Server, serve } from '../serve.ts';
import { endpointReady, jobEnd, jobWhen } from './testing/follow.ts';
import { silentLogger } from './testing/silent-logger.ts';
import { pause } from './testing/until.ts';
import { refusal } from '../testing/refusal.ts';

let dataDir: string;
let texts: string;
let server: Server;
let operator: Client;
let operatorKey: string;
let stranger: Client;
let strangerKey: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'gantry-e2e-'));
  texts = join(dataDir, 'texts');
  await mkdir(texts);
  for (let file = 0; file < 3; file += 1) {
    const lines = Array.from({ length: 150 }, (_, line) => `The scheduler places gang ${file + line} whole.`);
    await writeFile(join(texts, `${file}.txt`), lines.join('\n'));
  }
  server = await serve(
    readOptions(['--data-dir', join(dataDir, 'd'), '--port', '0'], {}, process.getuid?.()),
    silentLogger(),
  );
  operatorKey = (await readFile(join(dataDir, 'd', 'keys', 'operator.key'), 'utf8')).trim();
  operator = createClient({ baseUrl: server.url, key: operatorKey });
  await operator.call('tenants.create', { body: { name: 'tenant-b' } });
  const inB = createClient({ baseUrl: server.url, key: operatorKey, tenant: 'tenant-b' });
  await inB.call('users.create', { body: { name: 'bea', role: 'admin' } });
  strangerKey = (await inB.call('keys.create', { body: { user: 'bea' } })).secret;
  stranger = createClient({ baseUrl: server.url, key: strangerKey });
});

afterAll(async () => {
  for (const { name } of (await operator.call('endpoints.list', {})).items)
    await operator.call('endpoints.delete', { params: { name } });
  await workersGone();
  await server[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

async function workersGone(): Promise<void> {
  for (const { workerId } of await server.platform.deps.runner.list())
    await server.platform.deps.runner.stop(workerId, { graceMs: 2_000 }).catch(() => undefined);
}

const chat = (key: string): OpenAI =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000 });

test('a model from text files to an answer: trained, served, paid to the token, and nobody else’s', async () => {
  await twoRanksTrainIt();
  const { prompt, completion } = await clientStreamsIt();
  expect(await tokensBilled()).toBe(prompt + completion);
  await ledgerHoldsExactlyItsSeconds();
  await anotherTenantSeesNothingOfIt();
});

async function twoRanksTrainIt(): Promise<void> {
  await operator.call('jobs.submit', {
    body: {
      name: 'learn',
      workdir: texts,
      train: {
        recipe: 'language-model',
        data: ['*.txt'],
        depth: 1,
        steps: 20,
        sequenceLength: 32,
        batchTokens: 128,
        vocabularySize: 280,
        width: 32,
        heads: 2,
        kvHeads: 2,
        samplePrompt: 'The',
      },
      parallel: { data: 2 },
      resources: { cpu: 0.5, memory: '1GiB' },
      register: 'tiny',
    },
  });
  const job = await jobEnd(operator, 'learn');
  expect(job).toMatchObject({ state: 'succeeded', exitClass: 'done' });
  expect(job.attempts).toHaveLength(1);
  expect(job.attempts[0]?.placement).toHaveLength(2);
  expect(job.progress?.step).toBe(20);
  expect(await operator.call('models.get', { params: { name: 'tiny' } })).toMatchObject({ latest: 1 });
}

/** How many tokens the openai client was told that it used. */
async function clientStreamsIt(): Promise<{ readonly prompt: number; readonly completion: number }> {
  await operator.call('endpoints.create', {
    body: { name: 'chat', model: 'tiny', slots: 1, resources: { cpu: 0.5, memory: '512MiB' } },
  });
  await endpointReady(operator, 'chat', AbortSignal.timeout(60_000));
  const stream = await chat(operatorKey).completions.create({
    model: 'chat',
    prompt: 'The scheduler',
    max_tokens: 8,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  let chunks = 0;
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    chunks += chunk.choices.length;
    usage = chunk.usage ?? usage;
  }
  expect(chunks).toBeGreaterThan(1);
  expect(usage?.completion_tokens).toBeGreaterThan(0);
  return { prompt: usage?.prompt_tokens ?? 0, completion: usage?.completion_tokens ?? 0 };
}

/** The meter writes in batches; the answer is billed once a batch after it has been written. */
async function tokensBilled(): Promise<number> {
  for (;;) {
    const { items } = await operator.call('usage.report', { query: { by: 'endpoint' } });
    const sum = items
      .filter(({ resource }) => resource.includes('token'))
      .reduce((total, { quantity }) => total + quantity, 0);
    if (sum > 0) return sum;
    await pause(50);
  }
}

async function ledgerHoldsExactlyItsSeconds(): Promise<void> {
  const job = await operator.call('jobs.get', { params: { name: 'learn' } });
  const { items } = await operator.call('usage.report', { query: { by: 'job' } });
  const billed = items
    .filter(({ key, resource }) => resource === 'cpu_seconds' && [job.id, job.name].includes(key))
    .reduce((sum, { quantity }) => sum + quantity, 0);
  expect(billed).toBeGreaterThan(0);
  expect(billed).toBeCloseTo(job.deviceSeconds ?? -1, 5);
}

/** Told "not found", never "forbidden", about what exists elsewhere. */
async function anotherTenantSeesNothingOfIt(): Promise<void> {
  expect((await stranger.call('jobs.list', {})).items).toEqual([]);
  expect((await stranger.call('models.list', {})).items).toEqual([]);
  expect((await stranger.call('endpoints.list', {})).items).toEqual([]);
  expect((await stranger.call('usage.report', {})).items).toEqual([]);
  expect((await chat(strangerKey).models.list()).data).toEqual([]);
  const { id } = await operator.call('jobs.get', { params: { name: 'learn' } });
  for (const name of ['learn', id]) {
    expect(await refusal(stranger.call('jobs.get', { params: { name } }))).toMatchObject({ status: 404 });
    expect(await refusal(stranger.call('jobs.cancel', { params: { name } }))).toMatchObject({ status: 404 });
  }
  expect(await refusal(stranger.call('endpoints.get', { params: { name: 'chat' } }))).toMatchObject({
    status: 404,
  });
  const answer = chat(strangerKey).completions.create({ model: 'chat', prompt: 'The' });
  await expect(answer).rejects.toMatchObject({ status: 404 });
}

describe('jobs that go wrong', () => {
  const resources = { cpu: 0.5, memory: '256MiB' } as const;

  test('a failing command is its user’s error and shows the end of stderr', async () => {
    await operator.call('jobs.submit', {
      body: {
        name: 'fails',
        command: 'echo first >&2; echo the disk is made of cheese >&2; exit 3',
        resources,
      },
    });
    const job = await jobEnd(operator, 'fails');
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(job.stderrTail?.join('\n')).toContain('first\nthe disk is made of cheese');
  });

  test('cancel stops a sleeping job', async () => {
    await operator.call('jobs.submit', { body: { name: 'sleeps', command: 'sleep 600; true', resources } });
    await jobWhen(operator, 'sleeps', ({ state }) => state === 'running');
    await operator.call('jobs.cancel', { params: { name: 'sleeps' } });
    expect(await jobEnd(operator, 'sleeps')).toMatchObject({ state: 'cancelled', exitClass: 'cancelled' });
  });

  test('a request no machine can meet is refused at once', async () => {
    const body = { command: 'true', resources: { gpu: 90_000 } };
    expect(await refusal(operator.call('jobs.submit', { body }))).toMatchObject({
      code: 'unsatisfiable_request',
    });
  });

  test('a misspelt field is named, with the one that was meant', async () => {
    const body = { command: 'true', prioritty: 3 } as { command: string };
    const error = await refusal(operator.call('jobs.submit', { body }));
    expect(error.code).toBe('unknown_field');
    expect(JSON.stringify([error.message, error.hint, error.problems])).toMatch(/did you mean.*priority/);
  });
});
