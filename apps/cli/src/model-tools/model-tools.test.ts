import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../exit-codes.ts';
import { describeEvaluation } from '../views/model-tools.ts';
import { benchEndpoint, type BenchOptions } from './bench-endpoint.ts';
import { evaluateEndpoint } from './evaluate-endpoint.ts';

let folder: string;
let url: string;
let closeServer: () => void;

/** Scores of three classes: the row names the right one; `constant` knows only class 1. */
function classes(path: string, [input]: readonly { readonly data: readonly [number] }[]): number[] {
  const right = path.includes('constant') ? 1 : input?.data[0];
  const scores = [0, 1, 2].map((at) => (at === right ? 5 : 0));
  if (!path.includes('probabilities')) return scores;
  const sum = Math.exp(5) + 2;
  return scores.map((score) => Math.exp(score) / sum);
}

/** What servers say beside a status: OpenAI's `code`, else its `type`, else nothing that can be read. */
const refusals: Readonly<Record<string, readonly [status: number, body: string]>> = {
  busy: [429, '{}'],
  coded: [429, '{"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}'],
  typed: [400, '{"error": {"message": "no", "type": "invalid_request_error", "code": null}}'],
  proxied: [502, '<html>Bad gateway</html>'],
  dying: [
    200,
    'data: {"choices": [{"text": "a"}]}\n\ndata: {"error": {"message": "the engine was lost"}}\n\n',
  ],
  unknown: [404, '{"error": {"message": "No such model for this key.", "code": "model_not_found"}}'],
  tensors: [404, '{"error": {"message": "There is nothing at /v1/completions."}}'],
  foreign: [401, '{"error": {"message": "This key is unknown."}}'],
  cut: [200, 'data: {"choices": [{"text": "a"}]}\n\n'],
};

/** Streams three tokens, or scores a prompt letter by letter: `full` knows it well, `worse` does not. */
function answer(path: string, body: Record<string, unknown>, response: ServerResponse): void {
  const inputs = body['inputs'] as readonly { readonly data: readonly [number] }[] | undefined;
  if (inputs !== undefined) {
    response.end(JSON.stringify({ outputs: [{ name: 'y', shape: [1, 3], data: classes(path, inputs) }] }));
    return;
  }
  if (body['model'] === 'hanging-up') {
    response.destroy();
    return;
  }
  const refusal = refusals[String(body['model'])];
  if (refusal !== undefined) {
    response.writeHead(refusal[0]).end(refusal[1]);
    return;
  }
  if (body['stream'] === true) {
    const usage = { prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } };
    const frames = [...['a', 'b', 'c'].map((text) => ({ choices: [{ text }] })), { choices: [], usage }];
    for (const frame of frames) response.write(`data: ${JSON.stringify(frame)}\n\n`);
    response.end('data: [DONE]\n\n');
    return;
  }
  const tokens = String(body['prompt']).split('');
  const share = body['model'] === 'worse' ? 0.3 : 0.9;
  const top = (token: string) => ({ [token]: Math.log(share), '~': Math.log(0.95 - share) });
  const logprobs = {
    tokens,
    token_logprobs: tokens.map((_, at) => (at === 0 ? null : Math.log(share))),
    top_logprobs: tokens.map((token, at) => (at === 0 ? null : top(token))),
  };
  response.end(JSON.stringify({ choices: [{ text: String(body['prompt']), logprobs }] }));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-tools-'));
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      answer(request.url ?? '', JSON.parse(Buffer.concat(chunks).toString()), response),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closeServer = () => {
    server.closeAllConnections();
    server.close();
  };
});
afterAll(async () => {
  closeServer();
  await rm(folder, { recursive: true, force: true });
});

describe('bench', () => {
  const options: BenchOptions = {
    requests: 6,
    clients: 2,
    speed: 1,
    lengths: 1,
    promptTokens: 4,
    answerTokens: 3,
    ttftMs: 60_000,
    itlMs: 60_000,
    seed: 1,
  };

  it('counts tokens as the endpoint does, and every answer as good that met its objectives', async () => {
    const report = await benchEndpoint({ url, key: 'k', model: 'full' }, options);
    expect(report).toMatchObject({ requests: 6, promptTokens: 30, cachedTokens: 12, answerTokens: 18 });
    expect(report.goodShare).toBe(1);
    expect(report.failures).toEqual({});
  });

  it('tells failures apart by status and code, by the word of a broken stream, or by why nobody answered', async () => {
    const failuresOf = async (model: string) =>
      (await benchEndpoint({ url, key: 'k', model }, options)).failures;
    expect(await failuresOf('busy')).toEqual({ 'HTTP 429': 6 });
    expect(await failuresOf('coded')).toEqual({ 'HTTP 429 rate_limit_exceeded': 6 });
    expect(await failuresOf('typed')).toEqual({ 'HTTP 400 invalid_request_error': 6 });
    expect(await failuresOf('proxied')).toEqual({ 'HTTP 502': 6 });
    expect(await failuresOf('dying')).toEqual({ 'the engine was lost': 6 });
    expect(await failuresOf('cut')).toEqual({ 'the stream ended early': 6 });
    expect(await failuresOf('hanging-up')).toEqual({ 'no connection (UND_ERR_SOCKET)': 6 });
  });

  it.each([
    ['unknown', 'No such model for this key.', exitCodes.not_found],
    ['tensors', 'tensors takes tensors', exitCodes.usage],
    ['foreign', 'This key is unknown.', exitCodes.denied],
  ])('is refused at once where no request could be answered (%s)', async (model, message, exitCode) => {
    await expect(benchEndpoint({ url, key: 'k', model }, options)).rejects.toMatchObject({
      message: expect.stringContaining(message) as string,
      exitCode,
    });
  });

  it('tells how far it is, and draws it', async () => {
    const html = join(folder, 'load.html');
    const told: number[] = [];
    const target = { url, key: 'k', model: 'full' };
    await benchEndpoint(
      target,
      { ...options, html },
      {
        onAnswer: (answers, all) => told.push(answers.length / all),
      },
    );
    expect(told.at(-1)).toBe(1);
    expect(told).toHaveLength(6);
    expect(await readFile(html, 'utf8')).toContain('<title>Load on full</title>');
  });
});

describe('evaluate', () => {
  const evaluate = async (endpoint: string, against?: string) => {
    const data = join(folder, 'held-out.txt');
    await writeFile(data, 'the quick brown fox');
    const options = { endpoint, data, characters: 100, window: 10, places: 8 };
    return evaluateEndpoint({ url, key: 'k' }, against === undefined ? options : { ...options, against });
  };

  it('gives the perplexity of held-out text', async () => {
    expect(await evaluate('full')).toMatchObject({ tokens: 17, failures: [] });
    expect((await evaluate('full')).perplexity).toBeCloseTo(1 / 0.9);
  });

  it('lets an equal take the place of its source, and not a worse one', async () => {
    const equal = await evaluate('full', 'same');
    expect(equal.comparison).toMatchObject({ topAgreement: 1 });
    expect(describeEvaluation(equal)).toContain('may take the place of same');
    const worse = await evaluate('worse', 'full');
    expect(worse.failures.length).toBeGreaterThanOrEqual(2);
    expect(describeEvaluation(worse)).toContain('✗');
  });
});

describe('evaluate a tensor model', () => {
  it('measures accuracy on labelled rows, and how near its classes are to a source’s', async () => {
    const data = join(folder, 'rows.jsonl');
    const row = (label: number) =>
      JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [label] }], label });
    await writeFile(data, [0, 1, 2, 1].map(row).join('\n'));
    const evaluate = (endpoint: string, against: string) =>
      evaluateEndpoint(
        { url, key: 'k' },
        { endpoint, against, data, characters: 100, window: 10, places: 8 },
      );
    const equal = await evaluate('scorer', 'scorer-probabilities');
    expect(equal).toMatchObject({ tokens: 4, metrics: { accuracy: 1 }, failures: [] });
    expect(equal.comparison?.meanKl).toBeLessThan(1e-6);
    const worse = await evaluate('scorer-constant', 'scorer');
    expect(worse).toMatchObject({ metrics: { accuracy: 0.5 }, comparison: { topAgreement: 0.5 } });
    expect(worse.failures).not.toEqual([]);
    expect(describeEvaluation(worse)).toContain('accuracy 50.00 %');
  });

  it('refuses rows that are none', async () => {
    const data = join(folder, 'none.jsonl');
    await writeFile(data, '{"label": 1}');
    await expect(
      evaluateEndpoint({ url, key: 'k' }, { endpoint: 'scorer', data, characters: 1, window: 1, places: 1 }),
    ).rejects.toThrow('line 1 has no inputs');
  });
});
