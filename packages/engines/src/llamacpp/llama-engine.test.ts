import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { answerAfter, cycle, writePermutationModel } from '../testing/permutation-model.ts';
import { runRandomTraffic } from '../testing/random-traffic.ts';
import { createLlamaEngine } from './llama-engine.ts';

let folder: string;
let modelPath: string;
let engine: LlmEngine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-engine-'));
  modelPath = join(folder, 'model.gguf');
  await writePermutationModel(modelPath);
  engine = await createLlamaEngine({ modelPath, slots: 4, threads: 1, stepTokens: 64, prefillTokens: 16 });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const greedy = { temperature: 0, topP: 1, seed: 1 };
const request = (text: string, changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  prompt: engine.tokenize(text),
  maxTokens: 200,
  sampling: greedy,
  ...changes,
});
interface Answer {
  readonly text: string;
  readonly reason: string;
  readonly cachedTokens: number;
  readonly logprobs: readonly number[];
}
async function collect(events: AsyncIterable<GenerateEvent>): Promise<Answer> {
  const tokens: number[] = [];
  const logprobs: number[] = [];
  for await (const event of events) {
    if (event.type === 'end') {
      return {
        text: engine.detokenize(tokens),
        reason: event.reason,
        cachedTokens: event.cachedTokens,
        logprobs,
      };
    }
    if (event.type === 'prompt') continue;
    tokens.push(event.token);
    if (event.logprob !== undefined) logprobs.push(event.logprob);
  }
  throw new Error('no end');
}

describe('llama.cpp engine', () => {
  it('tells answers that are sampled side by side the log probabilities that each has alone', async () => {
    const told = (last: string, scope: string) =>
      collect(engine.generate(request(`AB${last}`, { scope, maxTokens: 12, topLogprobs: 3 })));
    const lasts = cycle.slice(0, 16).split('');
    const alone: Answer[] = [];
    for (const last of lasts) alone.push(await told(last, 'alone'));
    for (let round = 0; round < 4; round++) {
      const together = await Promise.all(lasts.map((last) => told(last, `round${round}`)));
      for (const [at, { text, logprobs }] of together.entries()) {
        expect(text).toBe(alone[at]?.text);
        for (const [token, logprob] of logprobs.entries())
          expect(logprob).toBeCloseTo(alone[at]?.logprobs[token] ?? Number.NaN, 3);
      }
    }
  });

  it('answers as the permutation says, to the end of text', async () => {
    for (const last of ['t', 'A', '7']) {
      expect(await collect(engine.generate(request(`ABC${last}`)))).toMatchObject({
        text: answerAfter(last),
        reason: 'stop',
      });
    }
  });

  it('stops at the wanted number of tokens', async () => {
    const answer = await collect(engine.generate(request('t', { maxTokens: 5 })));
    expect(answer).toMatchObject({ text: answerAfter('t').slice(0, 5), reason: 'length' });
  });

  it('gives each of many requests that join, leave and are cancelled its own tokens', async () => {
    const result = await runRandomTraffic(engine, { requests: 150, seed: 3, concurrency: 9 });
    expect(result.wrong).toEqual([]);
    expect(result.completed + result.cancelled).toBe(150);
    expect(result.cancelled).toBeGreaterThan(5);
    expect(engine.stats()).toMatchObject({ queued: 0 });
    expect(engine.stats().preemptions).toBeGreaterThan(0);
  });

  it('computes the same probabilities from a reused prefix as from nothing', async () => {
    const prompt = cycle.repeat(3).slice(0, 120);
    const ask = (scope: string): Promise<Answer> =>
      collect(engine.generate(request(prompt, { scope, maxTokens: 6, topLogprobs: 2 })));
    const cold = await ask('cold');
    const warm = await ask('cold');
    expect(cold.cachedTokens).toBe(0);
    // Whole pages of 16 tokens are found again.
    expect(warm.cachedTokens).toBe(112);
    expect((await ask('other')).cachedTokens).toBe(0);
    for (const [index, logprob] of cold.logprobs.entries())
      expect(warm.logprobs[index]).toBeCloseTo(logprob, 3);
  });

  it('copies a prefix from a stream that is still running, with the same probabilities', async () => {
    const prompt = cycle.repeat(3).slice(0, 100);
    const alone = await collect(
      engine.generate(request(prompt, { scope: 'alone', maxTokens: 6, topLogprobs: 1 })),
    );
    const first = engine.generate(request(prompt, { scope: 'shared', maxTokens: 300, ignoreEnd: true }));
    const events = first[Symbol.asyncIterator]();
    await events.next();
    const beside = await collect(
      engine.generate(request(prompt, { scope: 'shared', maxTokens: 6, topLogprobs: 1 })),
    );
    await events.return?.();
    expect(beside.cachedTokens).toBe(96);
    for (const [index, logprob] of alone.logprobs.entries())
      expect(beside.logprobs[index]).toBeCloseTo(logprob, 3);
  });

  it('goes on from a prefix that had to leave the memory, with the same probabilities, and does without a lost file', async () => {
    const prompts = [cycle.repeat(3).slice(0, 150), cycle.repeat(3).slice(40, 190)];
    const lines: string[] = [];
    await using tiered = await createLlamaEngine({
      modelPath,
      slots: 1,
      threads: 1,
      parking: { folder: join(folder, 'tier'), bytes: 10_000_000 },
      onLog: (line) => lines.push(line),
    });
    const ask = (index: number): Promise<Answer> => {
      const changes = { maxTokens: 6, topLogprobs: 1 };
      return collect(tiered.generate(request(prompts[index] as string, changes)));
    };
    const cold = [await ask(0), await ask(1)];
    const warm = [await ask(0), await ask(1)];
    for (const [at, { cachedTokens, text, logprobs }] of warm.entries()) {
      expect(cachedTokens).toBe(144);
      expect(text).toBe(cold[at]?.text);
      for (const [index, logprob] of logprobs.entries())
        expect(logprob).toBeCloseTo(cold[at]?.logprobs[index] ?? 0, 3);
    }
    const [own = ''] = await readdir(join(folder, 'tier'));
    for (const name of await readdir(join(folder, 'tier', own)))
      await writeFile(join(folder, 'tier', own, name), 'gone');
    expect((await ask(0)).text).toBe(cold[0]?.text);
    expect(lines.join()).toContain('did not come back');
  });

  it.each([0, 10_000_000])(
    'lets a higher priority take a place, and goes on with the answer that it would have been (%i bytes to park in)',
    async (bytes) => {
      const small = { modelPath, slots: 1, threads: 1 };
      await using tight = await createLlamaEngine(
        bytes === 0 ? small : { ...small, parking: { folder: join(folder, 'swap'), bytes } },
      );
      const wanted = request(cycle.repeat(2).slice(0, 90), {
        sampling: { temperature: 20, topP: 1, seed: 11 },
        maxTokens: 60,
        ignoreEnd: true,
        hasPromptLogprobs: true,
        topLogprobs: 1,
      });
      const alone = await collect(tight.generate(wanted));
      const events = tight.generate(wanted)[Symbol.asyncIterator]();
      const tokens: number[] = [];
      let scores = 0;
      let urgent: Promise<Answer> | undefined;
      for (;;) {
        const { value } = await events.next();
        if (value === undefined || value.type === 'end') break;
        if (value.type === 'prompt') scores += value.scores.length;
        if (value.type !== 'token') continue;
        tokens.push(value.token);
        if (tokens.length === 5) urgent = collect(tight.generate(request('t', { priority: 1 })));
      }
      expect((await urgent)?.text).toBe(answerAfter('t'));
      expect(tight.detokenize(tokens)).toBe(alone.text);
      expect(scores).toBe(90);
      expect(tight.stats().preemptions).toBe(1);
    },
  );

  it('stops computing a cancelled request, in its prompt and in its answer', async () => {
    const whilePrefilling = new AbortController();
    const long = collect(engine.generate(request('a'.repeat(500), { signal: whilePrefilling.signal })));
    const stepsBefore = engine.stats().steps;
    whilePrefilling.abort();
    expect((await long).reason).toBe('cancelled');
    expect(engine.stats().steps - stepsBefore).toBeLessThanOrEqual(1);
    const answering = new AbortController();
    let count = 0;
    for await (const event of engine.generate(
      request('t', { ignoreEnd: true, maxTokens: 400, signal: answering.signal }),
    )) {
      if (event.type === 'token' && (count += 1) === 3) answering.abort();
    }
    expect(count).toBeLessThanOrEqual(4);
  });

  it('samples the same answer for the same seed, beside others too', async () => {
    const sampling = { temperature: 20, topP: 1, seed: 42 };
    const ask = (seed: number): Promise<Answer> =>
      collect(
        engine.generate(
          request('the q', { sampling: { ...sampling, seed }, maxTokens: 30, ignoreEnd: true }),
        ),
      );
    const alone = await ask(42);
    const [again, other] = await Promise.all([ask(42), ask(43)]);
    expect(again.text).toBe(alone.text);
    expect(other.text).not.toBe(alone.text);
  });

  it('reports log probabilities that are a distribution, the likeliest first', async () => {
    for await (const event of engine.generate(request('t', { maxTokens: 1, topLogprobs: 257 }))) {
      if (event.type !== 'token') continue;
      expect(event.top?.[0]).toEqual({ token: event.token, logprob: event.logprob });
      expect(event.top?.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 3);
    }
  });

  it('answers within a JSON schema', async () => {
    const schema = { type: 'object', properties: { colour: { enum: ['red', 'blue'] } } } as const;
    const answer = await collect(engine.generate(request('t', { jsonSchema: schema, maxTokens: 60 })));
    expect(['red', 'blue']).toContain((JSON.parse(answer.text) as { colour: string }).colour);
  });

  it('follows logit bias and penalties', async () => {
    const bias = new Map([[engine.tokenize('Z')[0] as number, 100]]);
    const biased = await collect(
      engine.generate(request('t', { sampling: { ...greedy, logitBias: bias }, maxTokens: 3 })),
    );
    expect(biased.text).toBe('ZZZ');
    const penalised = await collect(
      engine.generate(
        request('t', { sampling: { ...greedy, logitBias: bias, presencePenalty: 150 }, maxTokens: 2 }),
      ),
    );
    expect(penalised.text).toMatch(/^Z[^Z]$/);
  });

  it('refuses a prompt beyond the context and ends where the context is full', async () => {
    await expect(collect(engine.generate(request('a'.repeat(512))))).rejects.toMatchObject({
      code: 'context_length_exceeded',
    });
    const full = await collect(
      engine.generate(request('a'.repeat(500), { ignoreEnd: true, maxTokens: 100 })),
    );
    expect(full.reason).toBe('length');
  });

  it('says that a file is no model, also when it was cut', async () => {
    const broken = join(folder, 'broken.gguf');
    await writeFile(broken, 'GGUF and nothing more');
    await expect(createLlamaEngine({ modelPath: broken, slots: 1, threads: 1 })).rejects.toMatchObject({
      code: 'model_invalid',
    });
  });
});
