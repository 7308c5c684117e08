/** What holds of every server of others behind `gantry endpoint connect`; some of it only of those with a skill. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@gantry/sdk';
import OpenAI from 'openai';
import { evaluateThrough } from '../evaluate-through.ts';
import { contextTokens, type ServerKind, type Skill } from './server-kinds.ts';

export interface Scene {
  readonly kind: ServerKind;
  readonly client: Client;
  readonly url: string;
  readonly key: string;
  /** The endpoint that stands for the server, and one of our own engine on the same weights. */
  readonly far: string;
  readonly ours: string;
  /** The registered version that both hold. */
  readonly version: string;
  /** The server itself. */
  readonly origin: string;
  readonly theirName: string;
}

interface Kept {
  readonly needs?: Skill;
  readonly hold: (scene: Scene) => Promise<void>;
}

const prompts = ['The scheduler places', 'every gang', 'not at all.\nThe', 'a', 'zebra 7'];
const talk = [{ role: 'user' as const, content: 'The' }];
/** As short as can be: the model spends most of its 128 tokens on blanks. */
const answer = {
  type: 'object',
  properties: { a: { enum: ['x', 'y'] } },
  required: ['a'],
  additionalProperties: false,
};

export const promises: Readonly<Record<string, Kept>> = {
  'tells its capacity': {
    needs: 'metrics',
    hold: async ({ client, far }) => {
      const { remote } = await client.call('endpoints.get', { params: { name: far } });
      expectEqual('context', remote?.servers[0]?.contextTokens, contextTokens);
    },
  },
  'is listed under its endpoint’s name': {
    hold: async (scene) => {
      const { data } = await near(scene).models.list();
      expectEqual('listed', data.filter(({ id }) => id === scene.far).length, 1);
    },
  },
  'completes token for token as our engine does, and counts alike': {
    hold: async (scene) => {
      for (const prompt of prompts) {
        const ask = { prompt, max_tokens: 24, temperature: 0 };
        const [theirs, own] = await Promise.all(
          [scene.far, scene.ours].map((model) => near(scene).completions.create({ ...ask, model })),
        );
        expectEqual(prompt, theirs?.choices[0]?.text, own?.choices[0]?.text);
        expectEqual(`${prompt}: in`, theirs?.usage?.prompt_tokens, own?.usage?.prompt_tokens);
        expectEqual(`${prompt}: out`, theirs?.usage?.completion_tokens, own?.usage?.completion_tokens);
      }
    },
  },
  'streams what it says whole, with the usage only for those who ask, and [DONE] at the end': {
    hold: async (scene) => {
      const ask = { model: scene.far, prompt: 'The scheduler', max_tokens: 8, temperature: 0 };
      const whole = await near(scene).completions.create(ask);
      for (const isAsked of [true, false]) {
        const frames = await framesOf(scene, '/v1/completions', {
          ...ask,
          stream: true,
          ...(isAsked ? { stream_options: { include_usage: true } } : {}),
        });
        expectEqual('the last frame', frames.at(-1), '[DONE]');
        const said = frames.slice(0, -1).map((frame) => JSON.parse(frame) as Frame);
        expectEqual(
          'text',
          said.map(({ choices }) => choices[0]?.text ?? '').join(''),
          whole.choices[0]?.text,
        );
        const counted = said.filter(({ usage }) => (usage?.completion_tokens ?? 0) > 0);
        if (isAsked) expectEqual('counted', counted.at(-1)?.usage?.completion_tokens, 8);
        else
          expectEqual(
            'frames of usage alone',
            counted.filter(({ choices }) => saysNothing(choices)).length,
            0,
          );
      }
    },
  },
  'chats as our engine does with the same template, whole and streamed': {
    needs: 'chat',
    hold: async (scene) => {
      const ask = { messages: talk, max_tokens: 12, temperature: 0 };
      const [theirs, own] = await Promise.all(
        [scene.far, scene.ours].map((model) => near(scene).chat.completions.create({ ...ask, model })),
      );
      expectEqual('chat', theirs?.choices[0]?.message.content, own?.choices[0]?.message.content);
      expectEqual('prompt tokens', theirs?.usage?.prompt_tokens, own?.usage?.prompt_tokens);
      const stream = await near(scene).chat.completions.create({
        ...ask,
        model: scene.far,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let counted: number | undefined;
      for await (const { choices, usage } of stream) {
        text += choices[0]?.delta?.content ?? '';
        counted = usage?.completion_tokens ?? counted;
      }
      expectEqual('streamed', text, own?.choices[0]?.message.content);
      expectEqual('counted', counted, theirs?.usage?.completion_tokens);
    },
  },
  'has all its tokens in the endpoint’s statistics': {
    hold: async (scene) => {
      const before = await tokensOf(scene);
      const { usage } = await near(scene).completions.create({
        model: scene.far,
        prompt: 'The scheduler places',
        max_tokens: 7,
        temperature: 0,
      });
      await framesOf(scene, '/v1/completions', {
        model: scene.far,
        prompt: 'The scheduler places',
        max_tokens: 9,
        temperature: 0,
        stream: true,
      });
      const after = await tokensOf(scene);
      expectEqual('in', after.promptTokens - before.promptTokens, 2 * (usage?.prompt_tokens ?? 0));
      expectEqual('out', after.completionTokens - before.completionTokens, 16);
    },
  },
  'says how likely its tokens were, as our engine does': {
    needs: 'logprobs',
    hold: async (scene) => {
      const ask = { prompt: 'The scheduler places', max_tokens: 8, temperature: 0, logprobs: 2 };
      const [theirs = [], own = []] = await Promise.all(
        [scene.far, scene.ours].map(async (model) => {
          const { choices } = await near(scene).completions.create({ ...ask, model });
          return choices[0]?.logprobs?.token_logprobs ?? [];
        }),
      );
      expectEqual('tokens', theirs.length, own.length);
      const apart = Math.max(...theirs.map((each, at) => Math.abs(each - (own[at] ?? Infinity))));
      if (!(apart < 1e-3)) throw new Error(`log probabilities are ${apart} apart`);
    },
  },
  'gives several answers': {
    needs: 'several',
    hold: async (scene) => {
      const { choices, usage } = await near(scene).completions.create({
        model: scene.far,
        prompt: 'The',
        max_tokens: 4,
        temperature: 1,
        seed: 7,
        n: 3,
      });
      expectEqual('choices', choices.length, 3);
      expectEqual('counted', (usage?.completion_tokens ?? 0) <= 12, true);
    },
  },
  'keeps to a schema, and calls the function that is named': {
    needs: 'tools',
    hold: async (scene) => {
      const fitting = await near(scene).chat.completions.create({
        model: scene.far,
        messages: talk,
        max_tokens: 40,
        temperature: 0,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema: answer, strict: true },
        },
      });
      expectAnswer('schema', fitting.choices[0]?.message.content);
      const called = await near(scene).chat.completions.create({
        model: scene.far,
        messages: talk,
        max_tokens: 110,
        temperature: 0,
        // A model that knows no JSON stays among its blanks otherwise.
        frequency_penalty: 2,
        tools: [{ type: 'function', function: { name: 'f', strict: true, parameters: answer } }],
        tool_choice: { type: 'function', function: { name: 'f' } },
      });
      const [call] = called.choices[0]?.message.tool_calls ?? [];
      if (call?.type !== 'function')
        throw new Error(`no call: ${JSON.stringify(called.choices[0]?.message)}`);
      expectEqual('function', call.function.name, 'f');
      expectAnswer('arguments', call.function.arguments);
    },
  },
  'answers responses, whole and as events': {
    needs: 'responses',
    hold: async (scene) => {
      const ask = { model: scene.far, input: 'The', max_output_tokens: 6, temperature: 0 };
      const whole = await near(scene).responses.create(ask);
      let streamed = '';
      for await (const event of await near(scene).responses.create({ ...ask, stream: true }))
        if (event.type === 'response.output_text.delta') streamed += event.delta;
      expectEqual('events', streamed, whole.output_text);
      expectEqual('counted', whole.usage?.output_tokens, 6);
    },
  },
  'has its refusals told in OpenAI’s form': {
    hold: async (scene) => {
      const missing = await refusal(near(scene).embeddings.create({ model: scene.far, input: 'x' }));
      expectEqual('a path that it has not is refused', (missing.status ?? 0) >= 400, true);
      expectEqual('in their form', missing.isTheirs, true);
      if (!scene.kind.skills.includes('refusals')) return;
      const long = await refusal(
        near(scene).completions.create({ model: scene.far, prompt: 'The', max_tokens: 10_000 }),
      );
      expectEqual('more tokens than fit', long.status, 400);
      if (!long.message.includes('max_tokens')) throw new Error(`said: ${long.message}`);
    },
  },
  'ends the work of a client that leaves': {
    needs: 'metrics',
    hold: async (scene) => {
      const before = await metric(scene, 'generation_tokens_total');
      const leave = new AbortController();
      const stream = await near(scene).completions.create(
        {
          model: scene.far,
          prompt: 'The',
          max_tokens: 120,
          temperature: 1,
          n: 16,
          stream: true,
          // vLLM's own: every answer would be of full length.
          ...({ ignore_eos: true } as object),
        },
        { signal: leave.signal },
      );
      for await (const _first of stream) break;
      leave.abort();
      for (let turn = 0; (await metric(scene, 'num_requests_running')) > 0; turn++) {
        if (turn === 300) throw new Error('it still computes after 30 s');
        await sleep(100);
      }
      const made = (await metric(scene, 'generation_tokens_total')) - before;
      if (made > 1_000) throw new Error(`${made} of 1,920 tokens were computed all the same`);
    },
  },
  'is judged through its endpoint by the log probabilities of a prompt': {
    needs: 'echo',
    hold: async ({ client, version, far }) => {
      const judged = await evaluateThrough(client, version, far);
      expectEqual('gate', judged.gate.state, 'passed');
    },
  },
};

const near = ({ url, key }: Scene): OpenAI =>
  new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 120_000 });

interface Frame {
  readonly choices: readonly { readonly text?: string }[];
  readonly usage?: { readonly completion_tokens?: number } | null;
}

const saysNothing = (choices: readonly object[]): boolean =>
  choices.every((choice) => Object.keys(choice).every((name) => name === 'index'));

/** The data of each frame of a stream, as a client without a library reads it. */
export async function framesOf({ url, key }: Scene, path: string, body: object): Promise<string[]> {
  const answer = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expectEqual('the stream', answer.status, 200);
  return (await answer.text())
    .split(/\r?\n\r?\n/)
    .filter((frame) => frame.startsWith('data:'))
    .map((frame) => frame.slice(5).trim());
}

async function tokensOf({ client, far }: Scene) {
  const { revisions } = await client.call('endpoints.stats', { params: { name: far } });
  const sum = { promptTokens: 0, completionTokens: 0 };
  for (const { promptTokens, completionTokens } of revisions) {
    sum.promptTokens += promptTokens;
    sum.completionTokens += completionTokens;
  }
  return sum;
}

/** A counter or gauge of vLLM's page, over all its labels. */
async function metric({ origin }: Scene, name: string): Promise<number> {
  const page = await (await fetch(`${origin}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(`vllm:${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

interface Refused {
  readonly status: number | undefined;
  /** Its body has an `error` with a sentence. */
  readonly isTheirs: boolean;
  readonly message: string;
}

async function refusal(asked: Promise<unknown>): Promise<Refused> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof OpenAI.APIError)
      return {
        status: error.status as number | undefined,
        isTheirs: typeof (error.error as { message?: unknown } | undefined)?.message === 'string',
        message: error.message,
      };
    throw error;
  }
  throw new Error('it was not refused');
}

function expectAnswer(what: string, text: string | null | undefined): void {
  const { a } = JSON.parse(text ?? '') as { readonly a?: unknown };
  if (a !== 'x' && a !== 'y') throw new Error(`${what}: ${text}`);
}

export function expectEqual(what: string, seen: unknown, wanted: unknown): void {
  if (seen !== wanted)
    throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`);
}
