/** The OpenAI client against engines in their own processes: rolls, disconnects, crashes, and what it may not ask. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answerAfter, writePermutationModel } from '@gantry/engines/testing';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { endpointReady } from './testing/follow.ts';
import { processesOf } from './testing/processes.ts';
import { until } from './testing/until.ts';

let home: MemoryServer;
let models: string;
let client: OpenAI;
const resources = { cpu: 0.25, memory: 512 * 1024 ** 2, gpu: 0 };

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-openai-'));
  home = await startMemoryServer();
  client = new OpenAI({
    baseURL: `${home.server.url}/v1`,
    apiKey: home.operatorKey,
    maxRetries: 0,
    timeout: 60_000,
  });
  const sizes = {
    quick: [{ seed: 1 }, { seed: 2 }],
    slow: [{ width: 256, layers: 6, contextTokens: 4_096 }],
  };
  for (const [name, versions] of Object.entries(sizes))
    for (const [index, size] of versions.entries()) {
      const path = join(models, `${name}-${index}.gguf`);
      await writePermutationModel(path, size);
      await home.operator.call('models.import', { body: { name, path } });
    }
  for (const name of ['slow', 'quick']) {
    await home.operator.call('endpoints.create', {
      body: { name, model: `${name}@1`, slots: 2, resources },
    });
    await endpointReady(home.operator, name, AbortSignal.timeout(60_000));
  }
});

afterAll(async () => {
  await home.deleteEndpoints();
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

/** The worker of the slow endpoint's only replica, whichever that is by now. */
async function slowWorker(): Promise<string> {
  const { replicas } = await endpointReady(home.operator, 'slow', AbortSignal.timeout(60_000));
  const { store } = home.server.platform.deps;
  const row = await store.read({ platform: true }, (tx) => tx.get('replica', replicas[0]?.id ?? ''));
  return (row?.status as { readonly workerId: string } | undefined)?.workerId ?? 'none';
}

const tokensBilled = async (endpoint: string): Promise<number> => {
  const { id } = await home.operator.call('endpoints.get', { params: { name: endpoint } });
  const { items } = await home.operator.call('usage.report', { query: { by: 'endpoint' } });
  return items
    .filter(({ key, resource }) => [endpoint, id].includes(key) && resource.includes('token'))
    .reduce((sum, { quantity }) => sum + quantity, 0);
};

/** What the slow engine says of itself. */
async function engineStats(): Promise<Readonly<Record<string, number>>> {
  const file = join(home.server.platform.deps.places.workerDir(await slowWorker()), 'endpoint.json');
  const { socketPath } = JSON.parse(await readFile(file, 'utf8')) as { socketPath: string };
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/stats' }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(JSON.parse(text) as Record<string, number>));
    })
      .on('error', reject)
      .end();
  });
}

const long = {
  model: 'slow',
  prompt: 't',
  temperature: 0,
  max_tokens: 4_000,
  ignore_eos: true,
  stream: true,
} as const;

describe('rolling to another version under load', () => {
  test('fails no request, and every token answered is in the ledger', async () => {
    const before = await tokensBilled('quick');
    const seen = new Map<string, number>();
    const wrong: unknown[] = [];
    let tokens = 0;
    let isRolled = false;
    const ask = async (isStream: boolean): Promise<void> => {
      const body = { model: 'quick', prompt: 'the l', temperature: 0, max_tokens: 20 };
      let text = '';
      let revision: string | null;
      if (isStream) {
        const { data, response } = await client.completions
          .create({ ...body, stream: true, stream_options: { include_usage: true } })
          .withResponse();
        revision = response.headers.get('x-gantry-revision');
        for await (const chunk of data) {
          text += chunk.choices[0]?.text ?? '';
          tokens += chunk.usage?.total_tokens ?? 0;
        }
      } else {
        const { data, response } = await client.completions.create(body).withResponse();
        revision = response.headers.get('x-gantry-revision');
        text = data.choices[0]?.text ?? '';
        tokens += data.usage?.total_tokens ?? 0;
      }
      if (text !== answerAfter('l').slice(0, 20)) wrong.push(text);
      seen.set(revision ?? '', (seen.get(revision ?? '') ?? 0) + 1);
    };
    const load = Array.from({ length: 4 }, async (_, worker) => {
      // oxlint-disable-next-line no-unmodified-loop-condition -- set below
      while (!isRolled) await ask(worker % 2 === 0).catch((error: unknown) => wrong.push(error));
    });
    await until('the old version is in use', () => (seen.get('quick-1') ?? 0) >= 8);
    await home.operator.call('endpoints.update', {
      params: { name: 'quick' },
      body: { model: 'quick@2' },
    });
    await until('the new version answers and the old one has left', async () => {
      const { replicas } = await home.operator.call('endpoints.get', { params: { name: 'quick' } });
      const isAlone = replicas.every(({ revision }) => revision === 'quick-2');
      return isAlone && (seen.get('quick-2') ?? 0) >= 8;
    });
    isRolled = true;
    await Promise.all(load);
    expect(wrong).toEqual([]);
    expect([...seen.keys()].sort()).toEqual(['quick-1', 'quick-2']);
    await until('every token is billed', async () => (await tokensBilled('quick')) - before >= tokens);
    expect((await tokensBilled('quick')) - before).toBe(tokens);
  });
});

describe('a client that leaves', () => {
  test('ends the work behind it at once, and pays for what was made', async () => {
    const [before, billed] = [await engineStats(), await tokensBilled('slow')];
    const leaving = new AbortController();
    const stream = await client.completions.create(long, { signal: leaving.signal });
    for await (const _ of stream) break;
    leaving.abort();
    await until('the engine has cancelled it', async () => {
      const { cancelled = 0, running } = await engineStats();
      return cancelled === (before['cancelled'] ?? 0) + 1 && running === 0;
    });
    const made = (await engineStats())['completionTokens'] ?? 0;
    expect(made - (before['completionTokens'] ?? 0)).toBeLessThan(4_000);
    await until('it is billed', async () => (await tokensBilled('slow')) > billed);
  });
});

describe('an engine that is killed in the middle of a stream', () => {
  test('is told as an error in the stream, is started again after a pause, and the next request is answered', async () => {
    const { replicas: before } = await endpointReady(home.operator, 'slow', AbortSignal.timeout(60_000));
    const killed = new Set(before.map(({ id }) => id));
    const worker = await slowWorker();
    const ofIt = processesOf(home.server.platform.dataDir).filter(({ workerId }) => workerId === worker);
    const stream = await client.completions.create(long);
    let chunks = 0;
    const end = (async () => {
      for await (const _ of stream) {
        chunks += 1;
        if (chunks > 1) continue;
        for (const { pid } of ofIt) kill(pid);
      }
    })();
    const error = await end.then(
      () => expect.fail('the stream ended as if nothing had happened'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ code: 'stream_interrupted' });

    const body = { model: 'slow', prompt: 'the l', temperature: 0, max_tokens: 3 };
    let answer: string | undefined;
    await until('the next one is answered', async () => {
      const reply = await client.completions.create(body).catch((reason: unknown) => reason);
      if (reply instanceof OpenAI.APIError) expect([502, 503]).toContain(reply.status);
      else answer = (reply as OpenAI.Completion).choices[0]?.text;
      return answer !== undefined;
    });
    expect(answer).toBe(answerAfter('l').slice(0, 3));
    const { replicas } = await home.operator.call('endpoints.get', { params: { name: 'slow' } });
    expect(replicas.some(({ id }) => killed.has(id))).toBe(false);
    const { items } = await home.operator.call('events.list', { query: { limit: 200 } });
    const ended = items.find(({ type, resourceId }) => type === 'replica.ended' && killed.has(resourceId));
    expect(ended?.reason?.['message']).toMatch(/killed from outside/);
  });
});

describe('what may not be asked', () => {
  test('a prompt beyond the context: refused with both numbers', async () => {
    const asked = client.completions.create({ model: 'quick', prompt: 'the l'.repeat(400), max_tokens: 5 });
    const error = await asked.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'context_length_exceeded', type: 'invalid_request_error' });
    expect((error as Error).message).toMatch(/512/);
  });

  test('a model that nobody serves: not found, and where to look', async () => {
    const error = await client.completions
      .create({ model: 'nobody', prompt: 't' })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found' });
    expect((error as Error).message).toContain('/v1/models');
  });

  test.each([
    ['half a JSON', '{"model": "quick", ', 400],
    ['no object', '[1, 2]', 400],
    ['a body of 40 MiB', JSON.stringify({ model: 'quick', prompt: 'x'.repeat(40 * 1024 ** 2) }), 413],
  ])('%s: an error in OpenAI’s shape', async (_, body, status) => {
    const answer = await home.ask('POST', '/v1/completions', {
      key: home.operatorKey,
      body,
    });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({
      error: { message: expect.any(String), type: expect.any(String) },
    });
  });
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it went with another of its kind
  }
}
