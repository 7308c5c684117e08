/** The language-model engine beside itself: batched and alone, warm and cold, with and without guesses, undisturbed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLlamaEngine, type LlmEngine, type SpeculationOptions } from '@gantry/engines';
import { cycle, writePermutationModel } from '@gantry/engines/testing';
import type { BenchLine } from '../bench-line.ts';
import { type Measurement, servingLine } from './serving-line.ts';
import { median } from './gateway-cost.ts';

const greedy = { temperature: 0, topP: 1, seed: 1 };
const contextTokens = 4_096;

export async function llmEngine(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'glm-'));
  try {
    const target = join(folder, 'target.gguf');
    const draft = join(folder, 'draft.gguf');
    await writePermutationModel(target, { layers: 8, width: 512, contextTokens });
    await writePermutationModel(draft, { layers: 1, width: 64, contextTokens });
    return [
      ...(await batching(target)),
      ...(await prefixes(target)),
      ...(await undisturbed(target)),
      ...(await speculation(target, draft)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function open(modelPath: string, slots: number, speculation?: SpeculationOptions): Promise<LlmEngine> {
  return createLlamaEngine({
    modelPath,
    contextTokens: slots > 4 ? 512 : contextTokens,
    slots,
    threads: 1,
    ...(speculation === undefined ? {} : { speculation }),
  });
}

/** Milliseconds from the request to each of its tokens. */
async function times(
  engine: LlmEngine,
  prompt: readonly number[],
  maxTokens: number,
  scope = '',
): Promise<number[]> {
  const startedMs = performance.now();
  const at: number[] = [];
  const request = { prompt, maxTokens, sampling: greedy, ignoreEnd: true, scope };
  for await (const event of engine.generate(request))
    if (event.type === 'token') at.push(performance.now() - startedMs);
  return at;
}

const textOf = (characters: number, seed: number): string =>
  Array.from({ length: characters }, (_, at) => cycle[(at * 7 + seed * 13 + at * at) % cycle.length]).join(
    '',
  );

async function batching(target: string): Promise<BenchLine[]> {
  await using engine = await open(target, 16);
  const perSecond = async (streams: number): Promise<number> => {
    const startedMs = performance.now();
    const tokens = await Promise.all(
      Array.from({ length: streams }, (_, seed) => times(engine, engine.tokenize(textOf(16, seed)), 64)),
    );
    return tokens.flat().length / ((performance.now() - startedMs) / 1_000);
  };
  await perSecond(4);
  const many: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < 3; round++) {
    alone.push(await perSecond(1));
    many.push(await perSecond(16));
  }
  const [ours, peer] = [median(many), median(alone)];
  return [
    line('tokens/s of 16 streams', ours, peer, 'one stream', '>= 2x peer', ours >= 2 * peer, 'tok/s', many),
  ];
}

async function prefixes(target: string): Promise<BenchLine[]> {
  await using engine = await open(target, 2);
  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < 3; round++) {
    const prompt = engine.tokenize(textOf(2_000, round));
    cold.push((await times(engine, prompt, 1, `round${round}`))[0] ?? Number.NaN);
    warm.push((await times(engine, prompt, 1, `round${round}`))[0] ?? Number.NaN);
  }
  const [ours, peer] = [median(warm), median(cold)];
  return [
    line('first token, 2,000 known', ours, peer, 'unknown', '<= 0.05x peer', ours <= 0.05 * peer, 'ms', warm),
  ];
}

/** Gaps of a stream while a prompt of 3,000 tokens is read beside it, in units of the pass that reads a piece of it. */
async function undisturbed(target: string): Promise<BenchLine[]> {
  await using engine = await open(target, 2);
  const prompt = engine.tokenize(textOf(3_000, 1));
  const stream = times(engine, engine.tokenize('the'), 400);
  const passesBefore = engine.stats().steps;
  const startedMs = performance.now();
  await times(engine, prompt, 1, 'other');
  const readMs = performance.now() - startedMs;
  const passes = engine.stats().steps - passesBefore;
  const at = (await stream).filter((ms) => ms <= readMs);
  const gaps = at
    .slice(1)
    .map((ms, index) => ms - (at[index] ?? 0))
    .sort((a, b) => a - b);
  const p99 = gaps[Math.floor(gaps.length * 0.99)] ?? Number.NaN;
  const piece = readMs / passes;
  return [
    line(
      'gap p99 beside a prompt of 3,000 tokens',
      p99,
      piece,
      'one piece of it',
      '<= 2x peer',
      p99 <= 2 * piece,
      'ms',
      gaps,
    ),
  ];
}

async function speculation(target: string, draft: string): Promise<BenchLine[]> {
  await using plain = await open(target, 2);
  await using guessing = await open(target, 2, { method: 'draft', modelPath: draft, tokens: 8 });
  const perSecond = async (engine: LlmEngine): Promise<number> => {
    // Short of the end of the cycle: after it, target and draft are no longer the same permutation.
    const at = await times(engine, engine.tokenize('the'), cycle.length - 4);
    return at.length / ((at.at(-1) ?? 0) / 1_000);
  };
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < 4; round++) {
    const [one, other] = [await perSecond(guessing), await perSecond(plain)];
    if (round === 0) continue;
    ours.push(one);
    peer.push(other);
  }
  const { draftedTokens, acceptedTokens } = guessing.stats();
  const accepted = (acceptedTokens / draftedTokens) * 100;
  const [mine, theirs] = [median(ours), median(peer)];
  return [
    line(
      'guesses of a perfect draft that held',
      accepted,
      undefined,
      undefined,
      '>= 95',
      accepted >= 95,
      '%',
      [accepted],
    ),
    line('tokens/s with guesses', mine, theirs, 'without', '> peer', mine > theirs, 'tok/s', ours),
  ];
}

const line = (name: string, ...rest: Measurement): BenchLine => servingLine(`LLM engine: ${name}`, ...rest);
