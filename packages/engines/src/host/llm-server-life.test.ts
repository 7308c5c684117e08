/** The engine host's bad days: little memory, bad input, clients that leave, an end while it works. */
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { greedy, originOf, servePermutation } from '../testing/permutation-server.ts';
import { runEngineHost, serveLlm } from '../index.ts';

const host = await servePermutation();
afterAll(() => host[Symbol.asyncDispose]());
const { folder, modelPath, origin, post } = host;

const stats = async (): Promise<Record<string, number>> =>
  (await (await fetch(`${origin}/stats`)).json()) as Record<string, number>;

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  await expect.poll(isTrue, { timeout: 60_000, interval: 10 }).toBe(true);
}

describe('readiness', () => {
  it.each([
    ['of the process', { memoryBytes: 10_000_000 }, 'memory'],
    ['of its device', { deviceMemory: async () => 0.96 }, 'deviceMemory'],
  ])(
    'is withdrawn while the memory %s is above 95 %%, though the model answers',
    async (_name, full, said) => {
      const common = { modelPath, modelName: 'm', listen: { port: 0 }, slots: 1, threads: 1 } as const;
      await using crowded = await serveLlm({ ...common, ...full });
      await crowded.loaded;
      const response = await fetch(`${originOf(crowded)}/ready`);
      expect(response.status).toBe(503);
      expect(await response.json()).toEqual({
        status: 'out of memory',
        [said]: expect.any(Number) as number,
      });
      const asked = await post('/v1/completions', { prompt: 't', max_tokens: 1 }, originOf(crowded));
      expect(asked.status).toBe(200);
    },
  );
});

describe('engine host, bad input', () => {
  it.each([
    ['/v1/completions', '{', 400, 'invalid_json'],
    ['/v1/completions', '[]', 400, 'invalid_json'],
    ['/v1/completions', {}, 400, 'invalid_value'],
    ['/v1/completions', { prompt: [70_000] }, 400, 'invalid_value'],
    ['/v1/completions', { prompt: 'a', temperature: 'hot' }, 400, 'invalid_value'],
    ['/v1/completions', { prompt: 'a', n: 1_000 }, 400, 'invalid_value'],
    ['/v1/completions', { prompt: 'a', max_tokens: 0 }, 400, 'invalid_value'],
    ['/v1/completions', { prompt: 'a', suffix: 'b' }, 400, 'unsupported'],
    ['/v1/completions', { prompt: 'a'.repeat(5_000) }, 400, 'context_length_exceeded'],
    ['/v1/completions', { prompt: 'a'.repeat(10_000_001) }, 413, 'body_too_large'],
    ['/v1/chat/completions', { messages: [] }, 400, 'invalid_value'],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      400,
      'unsupported',
    ],
    ['/v1/nothing', {}, 404, 'not_found'],
    ['/v1/models', {}, 405, 'method_not_allowed'],
  ])('answers %s with its code', async (path, body, status, code) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { code, message: expect.any(String) as string } });
  });

  it('refuses a file that is no model, and says so in its health', async () => {
    const path = join(folder, 'broken.gguf');
    await writeFile(path, 'GGUF, not really');
    await using broken = await serveLlm({ modelPath: path, modelName: 'x', listen: { port: 0 } });
    await expect(broken.loaded).rejects.toMatchObject({ code: 'model_invalid' });
    expect((await fetch(`${originOf(broken)}/health`)).status).toBe(500);
    expect((await post('/v1/completions', { prompt: 'a' }, originOf(broken))).status).toBe(500);
  });
});

describe('engine host, coming and going', () => {
  it('stops computing when the client leaves', async () => {
    const body = JSON.stringify({
      ...greedy,
      prompt: 't',
      max_tokens: 4_000,
      stream: true,
      ignore_eos: true,
    });
    const before = await stats();
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${origin}/v1/completions`, { method: 'POST' }, (response) => {
        response.once('data', () => {
          request.destroy();
          resolve();
        });
      });
      request.on('error', reject);
      request.end(body);
    });
    await until(async () => (await stats())['cancelled'] === (before['cancelled'] ?? 0) + 1);
    const after = await stats();
    expect(after).toMatchObject({ running: 0, calls: 0 });
    expect((after['completionTokens'] ?? 0) - (before['completionTokens'] ?? 0)).toBeLessThan(4_000);
  });

  it('is unready before its streams end, finishes them, and leaves nothing behind', async () => {
    const workerDir = await mkdtemp(join(folder, 'worker-'));
    const stop = new AbortController();
    const closed = runEngineHost({
      modelPath,
      modelName: 'x',
      workerDir,
      slots: 2,
      threads: 1,
      signal: stop.signal,
    });
    const endpointFile = join(workerDir, 'endpoint.json');
    await until(async () => (await stat(endpointFile).catch(() => undefined)) !== undefined);
    const { socketPath } = JSON.parse(await readFile(endpointFile, 'utf8')) as { socketPath: string };
    const ask = (path: string, body?: string): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const request = httpRequest(
          { socketPath, path, method: body === undefined ? 'GET' : 'POST' },
          (response) => {
            let text = '';
            response.on('data', (chunk: Buffer) => {
              if (text === '') stop.abort();
              text += chunk.toString();
            });
            response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          },
        );
        request.on('error', reject);
        request.end(body);
      });
    await until(async () => (await readyStatus(socketPath)) === 200);
    const stream = await ask(
      '/v1/completions',
      JSON.stringify({ prompt: 't', temperature: 0, stream: true, max_tokens: 1_000, ignore_eos: true }),
    );
    expect(stream.text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(stream.text).toContain('"finish_reason":"length"');
    await closed;
    await expect(readFile(endpointFile)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readyStatus(socketPath)).rejects.toMatchObject({ code: expect.any(String) as string });
  });

  it('tells a stream that outlives the drain that it was cut; its log says what was loaded, refused and cut', async () => {
    const log: string[] = [];
    const short = await serveLlm({
      modelPath,
      modelName: 'x',
      listen: { port: 0 },
      slots: 1,
      threads: 1,
      drainTimeoutMs: 1,
      onLog: (line) => log.push(line),
    });
    await short.loaded;
    for (let asked = 0; asked < 3; asked += 1) await post('/v1/completions', '{', originOf(short));
    const response = await post(
      '/v1/completions',
      { prompt: 't', temperature: 0, stream: true, max_tokens: 4_000, ignore_eos: true },
      originOf(short),
    );
    const draining = short.drain();
    const text = await response.text();
    await draining;
    expect(text).toContain('"code":"shutting_down"');
    expect(text).not.toContain('[DONE]');
    const own = log.flatMap((line) => /^\d{4}-\d\d-\d\dT[\d:.]+Z (.*)$/u.exec(line)?.[1] ?? []);
    expect(own).toEqual([
      'loading',
      expect.stringMatching(
        /^ready after .*: x by llama\.cpp on cpu, 1 slot, 2,048 tokens of context, keys and values of 2,048 tokens, 1 thread$/u,
      ),
      'refused a request: 400 invalid_json',
      'draining: 1 request in progress, at most 1 ms',
      'cut off 1 request that the drain has no more time for',
      expect.stringMatching(/^refused 2 more in .*: 400 invalid_json$/u),
    ]);
  });
});

function readyStatus(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest({ socketPath, path: '/ready' }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}
