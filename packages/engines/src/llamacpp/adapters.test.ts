import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LlmEngine } from '../llm-engine.ts';
import {
  answerAfter,
  skippingAnswerAfter,
  writePermutationModel,
  writeSkippingAdapter,
} from '../testing/permutation-model.ts';
import { createLlamaEngine } from './llama-engine.ts';

let folder: string;
let modelPath: string;
let engine: LlmEngine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-lora-'));
  modelPath = join(folder, 'model.gguf');
  await writePermutationModel(modelPath);
  await writeSkippingAdapter(join(folder, 'skip.gguf'));
  const adapters = [{ name: 'skip', path: join(folder, 'skip.gguf') }];
  engine = await createLlamaEngine({ modelPath, slots: 4, threads: 1, adapters });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function ask(
  text: string,
  adapter?: string,
): Promise<{ readonly text: string; readonly cachedTokens: number }> {
  const tokens: number[] = [];
  const sampling = { temperature: 0, topP: 1, seed: 1 };
  const request = { prompt: engine.tokenize(text), maxTokens: 200, sampling };
  for await (const event of engine.generate({ ...request, ...(adapter === undefined ? {} : { adapter }) })) {
    if (event.type === 'token') tokens.push(event.token);
    if (event.type === 'end') return { text: engine.detokenize(tokens), cachedTokens: event.cachedTokens };
  }
  throw new Error('no end');
}

describe('LoRA adapters', () => {
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
    expect(engine.adapters).toEqual(['skip']);
    await expect(ask('a', 'other')).rejects.toMatchObject({ code: 'model_not_found', hint: 'It has skip.' });
  });

  it('refuses a file that is no adapter', async () => {
    const adapters = [{ name: 'whole', path: modelPath }];
    await expect(createLlamaEngine({ modelPath, slots: 1, threads: 1, adapters })).rejects.toMatchObject({
      code: 'model_invalid',
    });
  });
});
