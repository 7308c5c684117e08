/** LoRA adapters beside one model: the same promises of both decoders, and the same numbers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GenerateEvent, LlmEngine } from '../llm-engine.ts';
import { askEngine } from '../testing/ask-engine.ts';
import {
  answerAfter,
  skippingAnswerAfter,
  writeNoisyAdapter,
  writePermutationFolder,
  writePermutationModel,
  writeSkippingAdapter,
} from '../testing/permutation-model.ts';
import { createLlmEngine, type LlmDecoder } from './create-llm-engine.ts';

const decoders = ['llama.cpp', 'paged'] as const;
let folder: string;
let engines: Readonly<Record<LlmDecoder, LlmEngine>>;
const open = (decoder: LlmDecoder, names: readonly string[]): Promise<LlmEngine> =>
  createLlmEngine({
    decoder,
    modelPath: join(folder, decoder === 'paged' ? 'model.safetensors' : 'model.gguf'),
    adapters: names.map((name) => ({ name, path: join(folder, `${name}.gguf`) })),
    slots: 4,
    threads: 1,
  });
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-lora-'));
  await writePermutationModel(join(folder, 'model.gguf'));
  await writePermutationFolder(folder);
  await writeSkippingAdapter(join(folder, 'skip.gguf'));
  await writeNoisyAdapter(join(folder, 'noise.gguf'));
  const names = ['skip', 'noise'];
  engines = { 'llama.cpp': await open('llama.cpp', names), paged: await open('paged', names) };
});
afterAll(async () => {
  for (const engine of Object.values(engines)) await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe.each(decoders)('%s', (decoder) => {
  const ask = async (text: string, adapter?: string) => {
    const engine = engines[decoder];
    const answer = await askEngine(engine, text, adapter === undefined ? {} : { adapter });
    return { ...answer, text: engine.detokenize(answer.tokens) };
  };

  it('computes each request with its own, side by side in the same passes', async () => {
    const ends = ['t', 'h', 'q', 'A', 'B', '3'];
    const asked = ends.map((last, index) => ask(`xyz${last}`, index % 2 === 0 ? 'skip' : undefined));
    for (const [index, { text }] of (await Promise.all(asked)).entries()) {
      const last = ends[index] as string;
      expect(text).toBe(index % 2 === 0 ? skippingAnswerAfter(last) : answerAfter(last));
    }
  });

  it('never continues from what other weights computed', async () => {
    const prompt = 'a long beginning of both';
    await ask(prompt);
    // Whole pages of 16 tokens are found again.
    expect((await ask(prompt)).cachedTokens).toBe(16);
    expect((await ask(prompt, 'skip')).cachedTokens).toBe(0);
    expect((await ask(prompt, 'skip')).cachedTokens).toBe(16);
  });

  it('names those that there are when another is asked for', async () => {
    expect(engines[decoder].adapters).toEqual(['skip', 'noise']);
    await expect(ask('a', 'other')).rejects.toMatchObject({
      code: 'model_not_found',
      hint: 'It has skip, noise.',
    });
  });

  it('refuses a file that is no adapter, or one of another model', async () => {
    await expect(open(decoder, ['model'])).rejects.toMatchObject({ code: 'model_invalid' });
    await writeSkippingAdapter(join(folder, 'wide.gguf'), { width: 96 });
    await expect(open(decoder, ['wide'])).rejects.toMatchObject({ code: 'model_invalid' });
    await writeFile(join(folder, 'cut.gguf'), 'GGUF');
    await expect(open(decoder, ['cut'])).rejects.toMatchObject({ code: 'model_invalid' });
  });
});

it('changes every matrix by as much in both', async () => {
  const scoresOf = async (engine: LlmEngine, adapter?: string): Promise<readonly number[]> => {
    const scores: number[] = [];
    const wish = { maxTokens: 0, hasPromptLogprobs: true, ...(adapter === undefined ? {} : { adapter }) };
    await askEngine(engine, 'the quick brown fox', wish, (event: GenerateEvent) => {
      if (event.type === 'prompt') scores.push(...event.scores.flatMap(({ logprob }) => logprob ?? []));
    });
    return scores;
  };
  const [theirs, ours] = [
    await scoresOf(engines['llama.cpp'], 'noise'),
    await scoresOf(engines.paged, 'noise'),
  ];
  const plain = await scoresOf(engines.paged);
  const apart = (one: readonly number[], two: readonly number[]): number =>
    Math.max(...one.map((score, at) => Math.abs(score - (two[at] ?? Infinity))));
  expect(ours).toHaveLength(18);
  // llama.cpp keeps keys and values in half precision.
  expect(apart(ours, theirs)).toBeLessThan(0.05);
  expect(apart(ours, plain)).toBeGreaterThan(0.5);
});
