import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSafetensors, writeSafetensors } from '@gantry/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaEngine } from '../llamacpp/llama-engine.ts';
import type { GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import {
  answerAfter,
  cycle,
  writePermutationFolder,
  writePermutationModel,
} from '../testing/permutation-model.ts';
import { runRandomTraffic } from '../testing/random-traffic.ts';
import { KvPool } from './kv-pool.ts';
import { createPagedEngine, type PagedEngineOptions } from './paged-engine.ts';

let folder: string;
let engine: LlmEngine;
const open = (options: Partial<PagedEngineOptions> = {}): Promise<LlmEngine> =>
  createPagedEngine({ folder, slots: 4, threads: 1, stepTokens: 64, prefillTokens: 16, ...options });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-paged-'));
  await writePermutationFolder(folder);
  engine = await open();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const greedy = { temperature: 0, topP: 1, seed: 1 };
/** Bytes of a block of 16 tokens of the fixture: 2 layers, 2 groups of width 16, keys and values. */
const blockBytes = 2 * 2 * 2 * 16 * 16 * 4;

interface Answer {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly cachedTokens: number;
  readonly reason: string;
}

async function ask(
  of: LlmEngine,
  text: string,
  changes: Partial<GenerateRequest> = {},
  seen: (event: GenerateEvent) => void = () => undefined,
): Promise<Answer> {
  const tokens: number[] = [];
  const logprobs: number[] = [];
  const request = { prompt: of.tokenize(text), maxTokens: 200, sampling: greedy, ...changes };
  for await (const event of of.generate(request)) {
    seen(event);
    if (event.type === 'end')
      return { tokens, logprobs, cachedTokens: event.cachedTokens, reason: event.reason };
    if (event.type !== 'token') continue;
    tokens.push(event.token);
    if (event.logprob !== undefined) logprobs.push(event.logprob);
  }
  throw new Error('no end');
}

describe('paged engine', () => {
  it('answers as the permutation says, to the end of text', async () => {
    for (const last of ['t', 'A', '7']) {
      const { tokens, reason } = await ask(engine, `ABC${last}`);
      expect(engine.detokenize(tokens)).toBe(answerAfter(last));
      expect(reason).toBe('stop');
    }
  });

  it('gives the tokens of llama.cpp on the same weights, and its probabilities', async () => {
    const options = { layers: 3, width: 96, seed: 5 };
    const other = join(folder, 'other');
    await writePermutationFolder(other, options);
    await writePermutationModel(join(folder, 'other.gguf'), options);
    await using ours = await open({ folder: other });
    await using theirs = await createLlamaEngine({
      modelPath: join(folder, 'other.gguf'),
      slots: 4,
      threads: 1,
    });
    for (const prompt of ['the quick', cycle.repeat(2).slice(0, 97), 'Z']) {
      const wanted = { maxTokens: 40, ignoreEnd: true, topLogprobs: 1, hasPromptLogprobs: true };
      const mine: number[] = [];
      const their: number[] = [];
      const scores = (of: number[]) => (event: GenerateEvent) => {
        if (event.type === 'prompt') of.push(...event.scores.flatMap(({ logprob }) => logprob ?? []));
      };
      const one = await ask(ours, prompt, wanted, scores(mine));
      const same = await ask(theirs, prompt, wanted, scores(their));
      expect(one.tokens).toEqual(same.tokens);
      expect(mine).toHaveLength(prompt.length - 1);
      // llama.cpp keeps keys and values in half precision.
      for (const [at, logprob] of [...one.logprobs, ...mine].entries())
        expect(Math.abs(logprob - ([...same.logprobs, ...their][at] ?? 0))).toBeLessThan(0.02);
    }
  });

  it('embeds as llama.cpp does on the same weights, many beside answers, and leaves nothing to go on from', async () => {
    const options = { layers: 3, width: 96, seed: 5 };
    const other = join(folder, 'embedding');
    await writePermutationFolder(other, options);
    await writePermutationModel(join(folder, 'embedding.gguf'), options);
    await using ours = await open({ folder: other });
    await using theirs = await createLlamaEngine({
      modelPath: join(folder, 'embedding.gguf'),
      slots: 2,
      threads: 1,
    });
    const texts = ['the quick', cycle.repeat(2).slice(30, 127), 'Z'];
    const [answer, ...mine] = await Promise.all([
      ask(ours, 'the quick', { maxTokens: 20, ignoreEnd: true }),
      ...texts.map((text) => ours.embed(ours.tokenize(text))),
    ]);
    expect(answer.tokens).toHaveLength(20);
    for (const [at, text] of texts.entries()) {
      const wanted = await theirs.embed(theirs.tokenize(text));
      const got = mine[at] as readonly number[];
      const dot = (one: readonly number[], two: readonly number[]): number =>
        one.reduce((sum, value, index) => sum + value * (two[index] as number), 0);
      expect(got).toHaveLength(wanted.length);
      expect(dot(got, wanted) / Math.sqrt(dot(got, got) * dot(wanted, wanted))).toBeGreaterThan(0.999);
    }
    expect((await ask(ours, texts[1] as string, { maxTokens: 1 })).cachedTokens).toBe(0);
    await expect(ours.embed([])).rejects.toMatchObject({ code: 'context_length_exceeded' });
  });

  it.each(['F16', 'BF16'] as const)('reads weights in %s where they lie', async (dtype) => {
    const halves = join(folder, dtype);
    await writePermutationFolder(halves);
    const path = join(halves, 'model.safetensors');
    const file = await readFile(path);
    const tensors = parseSafetensors(file).tensors.map(({ name, shape, offset, bytes }) => {
      const floats = new Float32Array(
        file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + bytes),
      );
      const data =
        dtype === 'F16'
          ? Float16Array.from(floats)
          : Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
      return { name, shape, dtype, data: new Uint8Array(data.buffer) };
    });
    await writeFile(path, writeSafetensors(tensors));
    await using rounded = await open({ folder: halves });
    const { tokens } = await ask(rounded, 'ABCt');
    expect(rounded.detokenize(tokens)).toBe(answerAfter('t'));
  });

  it('is exact under random traffic, also where memory is short and both tiers are in use', async () => {
    const tight = { kvBytes: 34 * blockBytes, slots: 6, spillMemoryBytes: 3 * blockBytes };
    await using short = await open({
      ...tight,
      spillDiskBytes: 20 * blockBytes,
      spillFolder: folder,
      contextTokens: 160,
    });
    for (const of of [engine, short]) {
      const result = await runRandomTraffic(of, { requests: 150, seed: 3, concurrency: 9 });
      expect(result.wrong).toEqual([]);
      expect(result.completed + result.cancelled).toBe(150);
      expect(of.stats()).toMatchObject({ queued: 0, running: 0, kvTokensUsed: 0 });
    }
    expect(short.stats().kvTokensSpilled).toBeGreaterThan(0);
  });

  it('takes nearly all of a perfect draft, answers as without, and refuses one that is not there', async () => {
    const path = join(folder, 'draft.gguf');
    await writePermutationModel(path, { layers: 1, seed: 5 });
    const draft = { method: 'draft', modelPath: path, tokens: 6 } as const;
    await using guessing = await open({ speculation: draft });
    await Promise.all(
      ['t', 'A', '7'].map(async (last) => {
        const { tokens } = await ask(guessing, `the ${last}`);
        expect(guessing.detokenize(tokens)).toBe(answerAfter(last));
      }),
    );
    const { draftedTokens, acceptedTokens } = guessing.stats();
    expect(acceptedTokens / draftedTokens).toBeGreaterThan(0.8);
    await expect(
      open({ speculation: { ...draft, modelPath: join(folder, 'none.gguf') } }),
    ).rejects.toMatchObject({ code: 'model_invalid' });
  });

  it('guesses ahead from what the text repeats, and answers as without', async () => {
    await using guessing = await open({ speculation: { method: 'ngram', tokens: 6 } });
    const prompt = cycle.repeat(2).slice(0, 110);
    for (const temperature of [0, 20]) {
      const wanted = {
        sampling: { temperature, topP: 1, seed: 5 },
        maxTokens: 40,
        topLogprobs: 1,
        ignoreEnd: true,
      };
      const alone = await ask(engine, prompt, wanted);
      const [one, beside] = await Promise.all([
        ask(guessing, prompt, wanted),
        ask(guessing, 'zt', { maxTokens: 30, ignoreEnd: true }),
      ]);
      expect(one.tokens).toEqual(alone.tokens);
      for (const [at, logprob] of one.logprobs.entries())
        expect(logprob).toBeCloseTo(alone.logprobs[at] ?? 0, 3);
      expect(beside.tokens).toHaveLength(30);
    }
    expect(guessing.stats().acceptedTokens).toBeGreaterThan(20);
    const result = await runRandomTraffic(guessing, { requests: 60, seed: 8, concurrency: 6 });
    expect(result.wrong).toEqual([]);
    expect(guessing.stats()).toMatchObject({ queued: 0, running: 0, kvTokensUsed: 0 });
  });

  it('preempts when memory runs out, and every answer is what it would have been', async () => {
    await using small = await open({
      kvBytes: 8 * blockBytes,
      contextTokens: 112,
      spillMemoryBytes: 4 * blockBytes,
    });
    const ends = ['t', 'e', 'b'];
    const answers = await Promise.all(
      ends.map((last) => ask(small, `${cycle.slice(0, 30)}${last}`, { maxTokens: 45, scope: last })),
    );
    for (const [at, last] of ends.entries())
      expect(small.detokenize(answers[at]?.tokens ?? [])).toBe(answerAfter(last).slice(0, 45));
    expect(small.stats().preemptions).toBeGreaterThan(0);
  });

  it('shares the whole prompt between answers to it, and nothing across scopes', async () => {
    const prompt = cycle.slice(0, 50);
    const four = await Promise.all(
      [1, 2, 3, 4].map((seed) =>
        ask(engine, prompt, { scope: 'n', sampling: { ...greedy, seed }, maxTokens: 5 }),
      ),
    );
    expect(four.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 49, 49, 49]);
    expect((await ask(engine, prompt, { scope: 'n', maxTokens: 1 })).cachedTokens).toBe(48);
    expect((await ask(engine, prompt, { scope: 'foreign', maxTokens: 1 })).cachedTokens).toBe(0);
  });

  it('takes memory for the tokens that there are, not for those that there may be', async () => {
    const events = engine.generate({
      prompt: engine.tokenize('abcde'),
      maxTokens: 400,
      sampling: greedy,
      ignoreEnd: true,
    });
    const reader = events[Symbol.asyncIterator]();
    await reader.next();
    expect(engine.stats().kvTokensUsed).toBe(16);
    await reader.return?.();
  });

  it('samples the same answer for the same seed, beside others too', async () => {
    const warm = (seed: number): Promise<Answer> =>
      ask(engine, 'the q', {
        sampling: { temperature: 20, topP: 0.9, seed },
        maxTokens: 30,
        ignoreEnd: true,
      });
    const alone = await warm(42);
    const [again, other] = await Promise.all([warm(42), warm(43)]);
    expect(again.tokens).toEqual(alone.tokens);
    expect(other.tokens).not.toEqual(alone.tokens);
  });

  it('follows logit bias and penalties', async () => {
    const bias = new Map([[engine.tokenize('Z')[0] as number, 200]]);
    const biased = await ask(engine, 't', { sampling: { ...greedy, logitBias: bias }, maxTokens: 3 });
    expect(engine.detokenize(biased.tokens)).toBe('ZZZ');
    const penalised = { ...greedy, logitBias: bias, presencePenalty: 300 };
    const { tokens } = await ask(engine, 't', { sampling: penalised, maxTokens: 2 });
    expect(engine.detokenize(tokens)).toMatch(/^Z[^Z]$/);
  });

  it('chats by the template of its folder, and says when that refuses', async () => {
    const chat = join(folder, 'chat');
    await writePermutationFolder(chat);
    const template =
      '{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}t{% endif %}';
    const settings = {
      bos_token: { content: '<|endoftext|>' },
      chat_template: [{ name: 'default', template }],
    };
    await writeFile(join(chat, 'tokenizer_config.json'), JSON.stringify(settings));
    await using talking = await open({ folder: chat });
    const said = [{ role: 'user', content: '<|endoftext|>' }];
    const prompt = talking.renderChat(said);
    expect(prompt).toBe('<|endoftext|>user:<|endoftext|>;t');
    expect(talking.chatTemplate).toBe(template);
    await writeFile(join(chat, 'chat_template.jinja'), '{{ raise_exception("no") }}');
    await using strict = await open({ folder: chat });
    expect(() => strict.renderChat(said)).toThrow('refuses these messages');
    expect(engine.chatTemplate).toBeUndefined();
  });

  it.each([0, 20])('holds an answer to a schema, at temperature %i', async (temperature) => {
    const jsonSchema = {
      type: 'object',
      properties: {
        colour: { enum: ['red', 'blue'] },
        size: { oneOf: [{ type: 'null' }, { enum: [1, 22] }] },
      },
    };
    const sampling = { temperature, topP: 1, seed: 3 };
    const answers = await Promise.all(
      ['t', 'A', '7'].map((last) => ask(engine, last, { jsonSchema, sampling, maxTokens: 120 })),
    );
    for (const { tokens } of answers) {
      const { colour, size } = JSON.parse(engine.detokenize(tokens)) as { colour: string; size: unknown };
      expect(['red', 'blue']).toContain(colour);
      expect([null, 1, 22]).toContain(size);
    }
  });

  it('refuses a folder that is no such model', async () => {
    await expect(open({ folder: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'model_invalid' });
    const cut = join(folder, 'cut');
    await writePermutationFolder(cut);
    await writeFile(join(cut, 'model.safetensors'), 'too short');
    await expect(open({ folder: cut })).rejects.toMatchObject({ code: 'model_invalid' });
  });
});

describe('KvPool', () => {
  it('says so when the disk behind it fails, and keeps what it holds', () => {
    const room = {
      planes: 2,
      blocks: 3,
      kvHeads: 1,
      tokensPerBlock: 2,
      headWidth: 2,
      memorySlots: 1,
      diskSlots: 1,
    };
    const pool = new KvPool({ ...room, folder });
    for (const [at, plane] of pool.planes.entries()) plane.fill(at + 1, 0, 4);
    pool.move([
      { kind: 'spill', block: 0, slot: 0 },
      { kind: 'spill', block: 0, slot: 1 },
      { kind: 'copy', from: 2, to: 0 },
      { kind: 'fetch', slot: 1, block: 1 },
      { kind: 'fetch', slot: 0, block: 2 },
    ]);
    expect(pool.planes.map((plane) => [...plane])).toEqual([
      [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2],
    ]);
    pool[Symbol.dispose]();
    expect(() => pool.move([{ kind: 'spill', block: 1, slot: 1 }])).toThrow();
    expect(() => new KvPool({ ...room, folder: join(folder, 'absent') })).toThrow('ENOENT');
  });
});
