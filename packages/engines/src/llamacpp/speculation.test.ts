/** Guessing ahead changes when tokens come, never which. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaEngine } from '../index.ts';
import type { LlmEngine, SamplingOptions } from '../llm-engine.ts';
import { answerAfter, cycle, writePermutationModel } from '../testing/permutation-model.ts';
import { runRandomTraffic } from '../testing/random-traffic.ts';
import type { SpeculationOptions } from './drafter.ts';

let folder: string;
let target: string;
let draft: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-draft-'));
  target = join(folder, 'target.gguf');
  draft = join(folder, 'draft.gguf');
  await writePermutationModel(target, { layers: 3 });
  await writePermutationModel(draft, { layers: 1, seed: 5 });
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const open = (speculation?: SpeculationOptions): Promise<LlmEngine> =>
  createLlamaEngine({
    modelPath: target,
    contextTokens: 256,
    slots: 4,
    threads: 1,
    ...(speculation === undefined ? {} : { speculation }),
  });
const greedy: SamplingOptions = { temperature: 0, topP: 1, seed: 1 };

async function tokensOf(engine: LlmEngine, prompt: string, sampling: SamplingOptions): Promise<number[]> {
  const tokens: number[] = [];
  const request = { prompt: engine.tokenize(prompt), maxTokens: 60, sampling, ignoreEnd: true };
  for await (const event of engine.generate(request)) if (event.type === 'token') tokens.push(event.token);
  return tokens;
}

describe('speculation', () => {
  it('takes nearly all of a perfect draft, and needs fewer passes', async () => {
    await using plain = await open();
    await using engine = await open({ method: 'draft', modelPath: draft, tokens: 6 });
    for (const one of [plain, engine]) {
      const ids = await tokensOf(one, 'the t', greedy);
      expect(one.detokenize(ids)).toBe(answerAfter('t').slice(0, 60));
    }
    const { draftedTokens, acceptedTokens, steps } = engine.stats();
    expect(acceptedTokens / draftedTokens).toBeGreaterThan(0.8);
    expect(steps).toBeLessThan(plain.stats().steps / 2);
  });

  it('guesses from the text itself where it repeats', async () => {
    await using engine = await open({ method: 'ngram', tokens: 8 });
    const ids = await tokensOf(engine, `${cycle.slice(0, 30)} the`, greedy);
    expect(engine.detokenize(ids)).toBe(answerAfter('e').slice(0, 60));
    expect(engine.stats().acceptedTokens).toBeGreaterThan(10);
  });

  it('samples the same tokens as without, also at a temperature', async () => {
    const sampling = { temperature: 1, topP: 0.95, seed: 7 };
    const answers: number[][] = [];
    for (const speculation of [
      undefined,
      { method: 'ngram', tokens: 6 } as const,
      { method: 'draft', modelPath: draft, tokens: 6 } as const,
    ]) {
      await using engine = await open(speculation);
      answers.push(await tokensOf(engine, `${cycle.slice(0, 20)} th`, sampling));
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it.each([
    ['ngram', () => ({ method: 'ngram', tokens: 5 }) as const],
    ['draft', () => ({ method: 'draft', modelPath: draft, tokens: 5 }) as const],
  ])('is exact under random traffic: %s', async (_method, speculation) => {
    await using engine = await open(speculation());
    const result = await runRandomTraffic(engine, { requests: 150, seed: 11, concurrency: 6 });
    expect(result.wrong).toEqual([]);
    expect(result.completed).toBeGreaterThan(80);
  });

  it('refuses a draft of another vocabulary', async () => {
    await expect(open({ method: 'draft', modelPath: join(folder, 'none.gguf') })).rejects.toMatchObject({
      code: 'model_invalid',
    });
  });
});
