/** What the paged engine answers, against the permutation and against llama.cpp on the same weights. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSafetensors, writeSafetensors } from '@gantry/formats';
import { afterAll, describe, expect, it } from 'vitest';
import { createLlamaEngine } from '../llamacpp/llama-engine.ts';
import type { GenerateEvent } from '../llm-engine.ts';
import { askEngine, greedySampling, type Answer } from '../testing/ask-engine.ts';
import { openPermutationFolder } from '../testing/permutation-folder.ts';
import {
  answerAfter,
  cycle,
  writePermutationFolder,
  writePermutationModel,
} from '../testing/permutation-model.ts';
import { runRandomTraffic } from '../testing/random-traffic.ts';

const model = await openPermutationFolder();
const { engine, folder, open } = model;
afterAll(() => model[Symbol.asyncDispose]());

describe('paged engine', () => {
  it('answers as the permutation says, to the end of text', async () => {
    for (const last of ['t', 'A', '7']) {
      const { tokens, reason } = await askEngine(engine, `ABC${last}`);
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
      const one = await askEngine(ours, prompt, wanted, scores(mine));
      const same = await askEngine(theirs, prompt, wanted, scores(their));
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
      askEngine(ours, 'the quick', { maxTokens: 20, ignoreEnd: true }),
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
    expect((await askEngine(ours, texts[1] as string, { maxTokens: 1 })).cachedTokens).toBe(0);
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
    const { tokens } = await askEngine(rounded, 'ABCt');
    expect(rounded.detokenize(tokens)).toBe(answerAfter('t'));
  });

  it('takes nearly all of a perfect draft, answers as without, and refuses one that is not there', async () => {
    const path = join(folder, 'draft.gguf');
    await writePermutationModel(path, { layers: 1, seed: 5 });
    const draft = { method: 'draft', modelPath: path, tokens: 6 } as const;
    await using guessing = await open({ speculation: draft });
    await Promise.all(
      ['t', 'A', '7'].map(async (last) => {
        const { tokens } = await askEngine(guessing, `the ${last}`);
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
      const alone = await askEngine(engine, prompt, wanted);
      const [one, beside] = await Promise.all([
        askEngine(guessing, prompt, wanted),
        askEngine(guessing, 'zt', { maxTokens: 30, ignoreEnd: true }),
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

  it('samples the same answer for the same seed, beside others too', async () => {
    const warm = (seed: number): Promise<Answer> =>
      askEngine(engine, 'the q', {
        sampling: { temperature: 20, topP: 1, seed },
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
    const biased = await askEngine(engine, 't', {
      sampling: { ...greedySampling, logitBias: bias },
      maxTokens: 3,
    });
    expect(engine.detokenize(biased.tokens)).toBe('ZZZ');
    const penalised = { ...greedySampling, logitBias: bias, presencePenalty: 300 };
    const { tokens } = await askEngine(engine, 't', { sampling: penalised, maxTokens: 2 });
    expect(engine.detokenize(tokens)).toMatch(/^Z[^Z]$/);
  });

  it('ends at every token that the files of its folder name', async () => {
    const ending = join(folder, 'ending');
    await writePermutationFolder(ending);
    const ends = ['D', '7'].map((text) => engine.tokenize(text)[0]);
    await writeFile(join(ending, 'generation_config.json'), JSON.stringify({ eos_token_id: [0, ...ends] }));
    await using ended = await open({ folder: ending });
    for (const [last, text] of [
      ['A', 'BC'],
      ['E', answerAfter('E').split('7')[0]],
    ] as const) {
      const { tokens, reason } = await askEngine(ended, last);
      expect([ended.detokenize(tokens), reason]).toEqual([text, 'stop']);
    }
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
    const prompt = await talking.renderChat(said);
    expect(prompt).toBe('<|endoftext|>user:<|endoftext|>;t');
    expect(talking.chatTemplate).toBe(template);
    await writeFile(join(chat, 'chat_template.jinja'), '{{ raise_exception("no") }}');
    await using strict = await open({ folder: chat });
    await expect(strict.renderChat(said)).rejects.toThrow('refuses these messages');
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
      ['t', 'A', '7'].map((last) => askEngine(engine, last, { jsonSchema, sampling, maxTokens: 120 })),
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
