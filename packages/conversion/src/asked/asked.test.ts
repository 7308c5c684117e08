/** Served models are judged alike whatever their servers tell: scores of the prompt, of the next token, or words. */
import { describe, expect, it } from 'vitest';
import type { AskedModel } from './asked-model.ts';
import { areTasks, evaluateAskedAnswers } from './evaluate-asked-answers.ts';
import { evaluateAskedRows } from './evaluate-asked-rows.ts';
import { evaluateAskedText } from './evaluate-asked-text.ts';
import { actualToken, placesIn } from './next-token.ts';

type Body = Readonly<Record<string, unknown>>;

const served = (name: string, answer: (path: string, body: Body) => unknown): AskedModel => ({
  name,
  model: name,
  ask: async (path, body) => ({ status: 200, body: answer(path, body as Body) }),
});

const text = 'the cat sat on the mat and the dog sat on the log '.repeat(8);

/** What comes next: the text's own word with this share, and another with the rest but a hundredth. */
const nextOf = (prompt: string, share: number): Readonly<Record<string, number>> => {
  const came = text.slice(text.indexOf(prompt) + prompt.length);
  const word = /^ ?\S+|^ /.exec(came)?.[0] ?? '~';
  return { [word]: Math.log(share), '~no': Math.log(0.99 - share) };
};

/** As llama-server: it echoes nothing, and tells of completions what it tells of chats. */
const likeLlamaServer = (name: string, share: number): AskedModel =>
  served(name, (_path, { prompt }) => {
    const top = nextOf(String(prompt), share);
    const top_logprobs = Object.entries(top).map(([token, logprob]) => ({ token, logprob }));
    return { choices: [{ text: 'x', logprobs: { content: [{ token: 'x', logprob: -1, top_logprobs }] } }] };
  });

/** As vLLM: each letter of the prompt is a token. */
const likeVllm = (name: string, share: number): AskedModel =>
  served(name, (_path, { prompt }) => {
    const tokens = String(prompt).split('');
    const top = (token: string) => ({ [token]: Math.log(share), '~': Math.log(0.99 - share) });
    return {
      choices: [
        {
          text: prompt,
          logprobs: {
            tokens,
            token_logprobs: tokens.map((_, at) => (at === 0 ? null : Math.log(share))),
            top_logprobs: tokens.map((token, at) => (at === 0 ? null : top(token))),
          },
        },
      ],
    };
  });

describe('text', () => {
  const wish = { text, window: 60, places: 16 };

  it('is scored whole where the server scores prompts', async () => {
    const [candidate, source] = [likeVllm('mine', 0.9), likeVllm('theirs', 0.9)];
    const { tokens, perplexity, comparison } = await evaluateAskedText({ ...wish, candidate, source });
    expect(tokens).toBeGreaterThan(300);
    expect(perplexity).toBeCloseTo(1 / 0.9);
    expect(comparison).toMatchObject({ topAgreement: 1, meanKl: 0 });
  });

  it('is asked for what comes next where one of the two does not', async () => {
    const source = likeLlamaServer('source', 0.9);
    for (const candidate of [likeLlamaServer('near', 0.89), likeLlamaServer('far', 0.3)]) {
      const { tokens, perplexity, comparison } = await evaluateAskedText({ ...wish, candidate, source });
      expect(tokens).toBe(16);
      const isNear = candidate.name === 'near';
      expect(perplexity).toBeCloseTo(1 / (isNear ? 0.89 : 0.3));
      expect(comparison?.sourcePerplexity).toBeCloseTo(1 / 0.9);
      expect(comparison?.topAgreement).toBe(isNear ? 1 : 0);
      if (isNear) expect(comparison?.meanKl).toBeLessThan(0.01);
      else expect(comparison?.meanKl).toBeGreaterThan(0.5);
    }
    const mixed = await evaluateAskedText({ ...wish, candidate: likeVllm('scoring', 0.9) });
    expect(mixed.comparison).toBeUndefined();
  });

  it('of models with other tokens, or without log probabilities, is refused with what to do', async () => {
    const halves = served('halves', (_path, { prompt }) => ({
      choices: [{ text: prompt, logprobs: { tokens: [prompt], token_logprobs: [-1], top_logprobs: [{}] } }],
    }));
    await expect(
      evaluateAskedText({ ...wish, candidate: likeVllm('letters', 0.9), source: halves }),
    ).rejects.toMatchObject({ code: 'not_possible', message: expect.stringContaining('different tokens') });
    const silent = served('silent', () => ({ choices: [{ text: 'x', logprobs: null }] }));
    await expect(evaluateAskedText({ ...wish, candidate: silent })).rejects.toMatchObject({
      message: 'silent reports no log probabilities',
      hint: expect.stringContaining('.jsonl'),
    });
    const refusing = served('refusing', () => ({ error: { message: 'logprobs are off' } }));
    await expect(evaluateAskedText({ ...wish, candidate: refusing })).rejects.toMatchObject({
      code: 'endpoint_failed',
      message: 'refusing scored nothing: logprobs are off',
    });
  });

  it('is asked about at places before words, and whole characters', () => {
    const words = 'aa bb cc dd ee ff';
    expect(placesIn(words, 3).map((at) => words.slice(at))).toEqual([' cc dd ee ff', ' dd ee ff', ' ff']);
    for (const at of placesIn('😀😀😀😀😀', 4)) expect('😀😀😀😀😀'.slice(0, at)).toMatch(/^(😀)+$/u);
    const source = new Map([
      [' t', Math.log(0.5)],
      [' the', Math.log(0.25)],
    ]);
    const actual = actualToken(source, ' then');
    expect(actual(source)).toBeCloseTo(Math.log(0.25));
    // What neither names is all the rest.
    expect(actual(new Map([[' a', Math.log(0.4)]]))).toBeCloseTo(Math.log(0.6));
  });
});

describe('rows and tasks', () => {
  const scorer = (name: string, of: (right: number) => readonly number[]): AskedModel =>
    served(name, (path, { inputs }) => {
      expect(path).toBe(`/v2/models/${name}/infer`);
      const [input] = inputs as readonly { readonly data: readonly [number] }[];
      return { outputs: [{ shape: [1, 3], data: of(input?.data[0] ?? 0) }] };
    });
  const exact = scorer('exact', (right) => [0, 1, 2].map((at) => (at === right ? 5 : 0)));
  const row = (label: number) =>
    JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [label] }], label });

  it('give accuracy, and of rows how near they are to a source', async () => {
    const constant = scorer('constant', () => [0, 5, 0]);
    const lines = Array.from({ length: 20 }, (_, at) => row(at % 2)).join('\n');
    const measured = await evaluateAskedRows({ candidate: constant, source: exact, text: lines });
    expect(measured).toMatchObject({
      rows: 20,
      metrics: { accuracy: 0.5 },
      comparison: { topAgreement: 0.5 },
    });
    const tasks = '{"prompt": "2 + 2 =", "answer": "4"}\n{"messages": [], "answer": "Paris"}\n';
    expect([areTasks(tasks), areTasks(lines)]).toEqual([true, false]);
    const talker = served('talker', (path) =>
      path.includes('chat')
        ? { choices: [{ message: { content: 'Parisian' } }] }
        : { choices: [{ text: ' 4.' }] },
    );
    expect(await evaluateAskedAnswers({ candidate: talker, text: tasks })).toEqual({
      rows: 2,
      accuracy: 0.5,
    });
  });

  it('that are none are refused by their line', async () => {
    const rows = (text: string) => evaluateAskedRows({ candidate: exact, text });
    await expect(rows(`${row(1)}\nnot json`)).rejects.toThrow('line 2 is no JSON');
    await expect(rows('7')).rejects.toThrow('line 1 has no inputs');
    await expect(evaluateAskedAnswers({ candidate: exact, text: '{"prompt": 3}' })).rejects.toThrow(
      'line 1 is no task',
    );
  });
});
