/** The same request to the same weights: both decoders give the same answer, or refuse it with the same words. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePermutationFolder, writePermutationModel } from '../testing/permutation-model.ts';
import { originOf } from '../testing/permutation-server.ts';
import { type LlmServer, serveLlm } from './llm-server.ts';

const chatTemplate =
  '{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}t{% endif %}';
const model = { layers: 3, width: 96, seed: 5, isStarted: true, chatTemplate };

let folder: string;
let servers: readonly LlmServer[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-both-'));
  await writePermutationFolder(folder, model);
  const settings = { bos_token: '<|endoftext|>', chat_template: chatTemplate };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
  await writePermutationModel(join(folder, 'model.gguf'), model);
  const common = { modelName: 'fixture', isStrictModel: true, threads: 1, slots: 4, listen: { port: 0 } };
  servers = await Promise.all([
    serveLlm({ ...common, decoder: 'llama.cpp', modelPath: join(folder, 'model.gguf') }),
    serveLlm({ ...common, decoder: 'paged', modelPath: join(folder, 'model.safetensors') }),
  ]);
  await Promise.all(servers.map(({ loaded }) => loaded));
});
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

const ask = (path: string, body: unknown): Promise<readonly Answered[]> =>
  Promise.all(
    servers.map(async (server) => {
      const answer = await fetch(`${originOf(server)}/v1/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(60_000),
      });
      const text = await answer.text();
      const frames = text.startsWith('data: ') ? framesOf(text) : JSON.parse(text);
      return { status: answer.status, body: frames as unknown };
    }),
  );

/** Of a stream: the pieces joined, since each decoder cuts them by its own pace. */
const framesOf = (text: string): unknown => {
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: {'));
  const parsed = frames.map(
    (frame) => JSON.parse(frame.slice(6)) as { choices: readonly Frame[]; usage?: unknown },
  );
  const choices = parsed.flatMap(({ choices }) => choices);
  return {
    text: choices.map(({ text, delta }) => text ?? delta?.content ?? '').join(''),
    reason: choices.at(-1)?.finish_reason,
    usage: parsed.at(-1)?.usage,
    isWhole: text.endsWith('data: [DONE]\n\n'),
  };
};
interface Frame {
  readonly text?: string;
  readonly delta?: { readonly content?: string };
  readonly finish_reason?: string | null;
}

/** What the two may differ in: names and times, and what each had read before. Fractions are compared apart. */
const ownFields = new Set(['id', 'created', 'created_at', 'prompt_tokens_details', 'input_tokens_details']);
function comparable(value: unknown, fractions: number[]): unknown {
  if (typeof value === 'number' && !Number.isInteger(value)) return `fraction ${fractions.push(value)}`;
  if (Array.isArray(value)) return value.map((each) => comparable(each, fractions));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !ownFields.has(name))
      .map(([name, each]) => [name, comparable(each, fractions)]),
  );
}

async function expectSame(path: string, body: unknown): Promise<readonly Answered[]> {
  const answers = await ask(path, body);
  const [theirs, ours] = answers.map((answer) => {
    const fractions: number[] = [];
    return { answer: comparable(answer, fractions), fractions };
  });
  expect(ours?.answer).toEqual(theirs?.answer);
  // llama.cpp keeps keys and values in half precision.
  for (const [at, fraction] of (ours?.fractions ?? []).entries())
    expect(Math.abs(fraction - (theirs?.fractions[at] ?? Infinity))).toBeLessThan(0.05);
  return answers;
}

const bias = { '60': 80, '61': -100 };
const schema = { type: 'object', properties: { colour: { enum: ['red', 'blue'] } }, required: ['colour'] };
const tools = [{ type: 'function', function: { name: 'paint', parameters: schema } }];
const completion = { prompt: 'the quick', max_tokens: 24, temperature: 0 };
const chat = { messages: [{ role: 'user', content: 'the fox' }], max_tokens: 24, temperature: 0 };

describe('is answered alike:', () => {
  it.each([
    ['a prompt', {}],
    ['several prompts', { prompt: ['A', 'the fox'] }],
    ['tokens', { prompt: [70, 71, 72] }],
    ['no text', { prompt: '' }],
    ['no room asked for', { max_tokens: undefined }],
    ['stream', { stream: true, stream_options: { include_usage: true } }],
    ['stop', { stop: ['fo', 'zz'] }],
    ['n', { n: 3 }],
    ['logprobs', { logprobs: 3 }],
    ['echo', { echo: true }],
    ['echo with logprobs, of the prompt alone', { echo: true, logprobs: 2, max_tokens: 0 }],
    ['echo with logprobs', { echo: true, logprobs: 1 }],
    ['logit_bias', { logit_bias: bias }],
    ['presence_penalty', { logit_bias: bias, presence_penalty: 2 }],
    ['frequency_penalty', { logit_bias: bias, frequency_penalty: 1.5, max_tokens: 90, ignore_eos: true }],
    ['top_k of one', { temperature: 2, top_k: 1, seed: 3 }],
    ['top_k of all', { top_k: -1, min_p: 0 }],
    ['min_p of one', { temperature: 2, min_p: 1, seed: 3 }],
    ['top_p of none', { temperature: 2, top_p: 0, seed: 3 }],
    ['ignore_eos', { ignore_eos: true, max_tokens: 80 }],
    [
      'what says nothing',
      { suffix: null, best_of: 1, repetition_penalty: 1, stop_token_ids: [], user: 'me' },
    ],
    ['logit_bias of no token', { logit_bias: { '99999': 1 } }, 400],
    ['tokens beyond the vocabulary', { prompt: [99_999] }, 400],
    ['more than the context', { prompt: 'the '.repeat(400) }, 400],
    ['an adapter that is not there', { model: 'fixture:legal' }, 404],
    ['another model', { model: 'other' }, 404],
    ['n of a thousand', { n: 1_000 }, 400],
    ['too many logprobs', { logprobs: 21 }, 400],
    ['a temperature of three', { temperature: 3 }, 400],
    ...['suffix', 'best_of', 'repetition_penalty', 'min_tokens', 'typical_p', 'mirostat'].map(
      (name): [string, object, number] => [name, { [name]: 7 }, 400],
    ),
    ['stop_token_ids', { stop_token_ids: [5] }, 400],
    ['guided_choice', { guided_choice: ['a'] }, 400],
  ] as readonly [string, object, number?][])('completions, %s', async (_what, fields, status = 200) => {
    const [answer] = await expectSame('completions', { ...completion, ...fields });
    expect(answer?.status).toBe(status);
    if (status !== 200)
      expect(answer?.body).toMatchObject({
        error: { code: expect.any(String) as string, message: expect.any(String) as string },
      });
  });

  it.each([
    ['messages', {}],
    ['stream', { stream: true, stream_options: { include_usage: true } }],
    ['logprobs', { logprobs: true, top_logprobs: 2 }],
    ['n', { n: 2 }],
    [
      'json_schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } } },
    ],
    ['json_object', { response_format: { type: 'json_object' }, max_tokens: 12 }],
    ['text', { response_format: { type: 'text' } }],
    ['tools', { tools }],
    ['tool_choice none', { tools, tool_choice: 'none' }],
    ['max_completion_tokens', { max_tokens: undefined, max_completion_tokens: 5 }],
    ['functions', { functions: [{ name: 'x' }] }, 400],
    ['top_logprobs alone', { top_logprobs: 2 }, 400],
    ['a picture', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 400],
    ['a schema that is none', { response_format: { type: 'json_schema' } }, 400],
  ] as readonly [string, object, number?][])('chat, %s', async (_what, fields, status = 200) => {
    const [answer] = await expectSame('chat/completions', { ...chat, ...fields });
    expect(answer?.status).toBe(status);
  });

  it('a function that must be called', async () => {
    const answers = await ask('chat/completions', {
      ...chat,
      tools,
      tool_choice: 'required',
      max_tokens: 60,
    });
    for (const { body } of answers)
      expect(body).toMatchObject({
        choices: [{ message: { tool_calls: [{ function: { name: 'paint' } }] } }],
      });
  });

  it.each([
    ['embeddings', { input: ['the', 'fox'] }, 200],
    ['embeddings', { input: 'fox', dimensions: 8 }, 400],
    ['embeddings', { input: 'fox', encoding_format: 'hex' }, 400],
    ['embeddings', { input: '' }, 200],
    ['responses/input_tokens', { input: 'the fox' }, 200],
    ['responses', { input: [{ type: 'web_search_call' }] }, 400],
  ])('%s of %o', async (path, body, status) => {
    const [answer] = await expectSame(path, body);
    expect(answer?.status).toBe(status);
  });
});

it('draws from what holds top_p before the temperature flattens it, whichever decoder', async () => {
  const asked = { prompt: 'x', max_tokens: 1, temperature: 0, logprobs: 0 };
  interface Drawn {
    readonly choices: readonly {
      readonly text: string;
      readonly logprobs: { readonly token_logprobs: number[] };
    }[];
  }
  const logprobsOf = async (token: number): Promise<readonly number[]> =>
    (await ask('completions', { ...asked, logit_bias: { [token]: 100 } })).map(
      ({ body }) => (body as Drawn).choices[0]?.logprobs.token_logprobs[0] ?? Number.NaN,
    );
  const [[one = 0], [two = 0]] = [await logprobsOf(60), await logprobsOf(61)];
  // Shares of 0.8 and 0.2, and of 0.67 and 0.33 at a temperature of 2.
  const raised = 99 + Math.min(one, two);
  const bias = { '60': raised - one, '61': raised + Math.log(0.25) - two };
  const drawn = async (topP: number): Promise<readonly number[]> =>
    (
      await ask('completions', { ...asked, temperature: 2, logit_bias: bias, n: 16, top_p: topP, seed: 7 })
    ).map(({ body }) => new Set((body as Drawn).choices.map(({ text }) => text)).size);
  expect(await drawn(0.75)).toEqual([1, 1]);
  expect(await drawn(0.95)).toEqual([2, 2]);
});
