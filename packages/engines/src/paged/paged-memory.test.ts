/** What the paged engine holds in memory, shares and gives up, and that no answer is another for it. */
import { afterAll, describe, expect, it } from 'vitest';
import { askEngine, greedySampling } from '../testing/ask-engine.ts';
import { openPermutationFolder, permutationBlockBytes } from '../testing/permutation-folder.ts';
import { answerAfter, cycle } from '../testing/permutation-model.ts';
import { runRandomTraffic } from '../testing/random-traffic.ts';

const model = await openPermutationFolder();
const { engine, folder, open } = model;
afterAll(() => model[Symbol.asyncDispose]());

describe('paged memory', () => {
  it('is exact under random traffic, also where memory is short and both tiers are in use', async () => {
    const tight = {
      kvBytes: 34 * permutationBlockBytes,
      slots: 6,
      spillMemoryBytes: 3 * permutationBlockBytes,
    };
    await using short = await open({
      ...tight,
      spillDiskBytes: 20 * permutationBlockBytes,
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

  it('preempts when memory runs out, and every answer is what it would have been', async () => {
    await using small = await open({
      kvBytes: 8 * permutationBlockBytes,
      contextTokens: 112,
      spillMemoryBytes: 4 * permutationBlockBytes,
    });
    const ends = ['t', 'e', 'b'];
    const answers = await Promise.all(
      ends.map((last) => askEngine(small, `${cycle.slice(0, 30)}${last}`, { maxTokens: 45, scope: last })),
    );
    for (const [at, last] of ends.entries())
      expect(small.detokenize(answers[at]?.tokens ?? [])).toBe(answerAfter(last).slice(0, 45));
    expect(small.stats().preemptions).toBeGreaterThan(0);
  });

  it('shares the whole prompt between answers to it, and nothing across scopes', async () => {
    const prompt = cycle.slice(0, 50);
    const four = await Promise.all(
      [1, 2, 3, 4].map((seed) =>
        askEngine(engine, prompt, { scope: 'n', sampling: { ...greedySampling, seed }, maxTokens: 5 }),
      ),
    );
    expect(four.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 49, 49, 49]);
    expect((await askEngine(engine, prompt, { scope: 'n', maxTokens: 1 })).cachedTokens).toBe(48);
    expect((await askEngine(engine, prompt, { scope: 'foreign', maxTokens: 1 })).cachedTokens).toBe(0);
  });

  it('takes memory for the tokens that there are, not for those that there may be', async () => {
    const events = engine.generate({
      prompt: engine.tokenize('abcde'),
      maxTokens: 400,
      sampling: greedySampling,
      ignoreEnd: true,
    });
    const reader = events[Symbol.asyncIterator]();
    await reader.next();
    expect(engine.stats().kvTokensUsed).toBe(16);
    await reader.return?.();
  });
});
