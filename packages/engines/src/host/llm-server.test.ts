/** The engine host as OpenAI's client sees it. */
import { join } from 'node:path';
import type OpenAI from 'openai';
import { afterAll, describe, expect, it } from 'vitest';
import { answerAfter, writePermutationModel } from '../testing/permutation-model.ts';
import { greedy, originOf, servePermutation } from '../testing/permutation-server.ts';
import { serveLlm } from '../index.ts';

const host = await servePermutation();
afterAll(() => host[Symbol.asyncDispose]());
const { client, folder, post } = host;

describe('engine host, as the openai client sees it', () => {
  it('lists the model', async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['permutation']);
  });

  it('completes, whole and streamed alike, with usage', async () => {
    const whole = await client.completions.create({ ...greedy, prompt: 'ABt', max_tokens: 100 });
    expect(whole.choices[0]).toMatchObject({ text: answerAfter('t'), finish_reason: 'stop' });
    expect(whole.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: answerAfter('t').length });
    const stream = await client.completions.create({
      ...greedy,
      prompt: 'ABt',
      max_tokens: 100,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(answerAfter('t'));
    expect(usage).toMatchObject({ completion_tokens: answerAfter('t').length });
  });

  it('chats, whole and streamed', async () => {
    const messages = [{ role: 'user' as const, content: 'the quick' }];
    const whole = await client.chat.completions.create({ ...greedy, messages, max_completion_tokens: 5 });
    expect(whole.choices[0]).toMatchObject({
      message: { role: 'assistant', content: answerAfter('k').slice(0, 5) },
      finish_reason: 'length',
    });
    const stream = await client.chat.completions.create({ ...greedy, messages, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(answerAfter('k'));
  });

  it('ends before a stop string and gives several answers', async () => {
    const stopped = await client.completions.create({
      ...greedy,
      prompt: 't',
      stop: ['CD', '9'],
      max_tokens: 100,
    });
    expect(stopped.choices[0]?.text).toBe(answerAfter('t').slice(0, answerAfter('t').indexOf('CD')));
    expect(stopped.choices[0]?.finish_reason).toBe('stop');
    const many = await client.completions.create({
      ...greedy,
      prompt: ['t', 'A'],
      n: 2,
      max_tokens: 4,
      echo: true,
    });
    expect(many.choices.map(({ index, text }) => [index, text])).toEqual([
      [0, `t${answerAfter('t').slice(0, 4)}`],
      [1, `t${answerAfter('t').slice(0, 4)}`],
      [2, 'ABCDE'],
      [3, 'ABCDE'],
    ]);
  });

  it('reports log probabilities in both dialects', async () => {
    const completion = await client.completions.create({
      ...greedy,
      prompt: 'A',
      logprobs: 2,
      max_tokens: 2,
    });
    expect(completion.choices[0]?.logprobs?.tokens).toEqual(['B', 'C']);
    const chat = await client.chat.completions.create({
      ...greedy,
      messages: [{ role: 'user', content: 'A' }],
      logprobs: true,
      top_logprobs: 3,
      max_completion_tokens: 1,
    });
    expect(chat.choices[0]?.logprobs?.content?.[0]).toMatchObject({ token: 'B', bytes: [66] });
    expect(chat.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(3);
  });

  it('scores a prompt: echo with log probabilities, and nothing generated', async () => {
    const prompt = `x${'the quick'.repeat(12)}`;
    const ask = async (max_tokens: number): Promise<OpenAI.Completions.CompletionChoice.Logprobs | null> => {
      const body = { ...greedy, prompt, echo: true, logprobs: 1, max_tokens };
      const choice = (await client.completions.create(body)).choices[0];
      expect(choice?.text.startsWith(prompt)).toBe(true);
      return choice?.logprobs ?? null;
    };
    const scored = await ask(0);
    expect(scored?.tokens?.join('')).toBe(prompt);
    expect(scored?.token_logprobs?.[0]).toBeNull();
    // "u" surely follows "q"; "t" does not follow "x".
    expect(scored?.token_logprobs?.[prompt.indexOf('u')]).toBeGreaterThan(-0.1);
    expect(scored?.token_logprobs?.[1]).toBeLessThan(-5);
    const longer = await ask(2);
    expect(longer?.tokens).toHaveLength(prompt.length + 2);
    expect(longer?.text_offset?.at(-1)).toBe(prompt.length + 1);
  });

  it('holds an answer to one of several schemas, and refuses strictly what it cannot hold', async () => {
    const ask = (schema: object, strict: boolean): Promise<Response> =>
      post('/v1/chat/completions', {
        messages: [{ role: 'user', content: 't' }],
        temperature: 0,
        response_format: { type: 'json_schema', json_schema: { name: 'colour', schema, strict } },
      });
    const either = { anyOf: [{ const: 'red' }, { type: 'object', properties: { b: { enum: [1, 2] } } }] };
    const answer = (await (await ask(either, true)).json()) as {
      choices: { message: { content: string } }[];
    };
    const value: unknown = JSON.parse(answer.choices[0]?.message.content ?? '');
    expect(value === 'red' || [1, 2].includes((value as { b: number }).b)).toBe(true);
    const refused = await ask({ type: 'integer', minimum: 3 }, true);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { param: 'response_format' } });
  });

  it('answers in the JSON of a schema', async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
    const answer = await client.chat.completions.create({
      ...greedy,
      messages: [{ role: 'user', content: 'A' }],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    });
    expect(typeof (JSON.parse(answer.choices[0]?.message.content ?? '') as { ok: unknown }).ok).toBe(
      'boolean',
    );
  });

  it('embeds', async () => {
    const answer = await client.embeddings.create({ model: 'permutation', input: ['the', 'fox'] });
    expect(answer.data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
  });

  it('uses the chat template of a model that has one', async () => {
    const path = join(folder, 'chat.gguf');
    const chatTemplate = '{% for m in messages %}{{ m.role }}:{{ m.content }}{% endfor %}{{ eos_token }}X';
    await writePermutationModel(path, { chatTemplate });
    await using chat = await serveLlm({
      modelPath: path,
      modelName: 'chat',
      listen: { port: 0 },
      slots: 1,
      threads: 1,
    });
    await chat.loaded;
    const answer = await post(
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: 'hi' }], temperature: 0, max_tokens: 2 },
      originOf(chat),
    );
    // 7 for "user:hi", one for the end-of-text token, one for X.
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: 'YZ' } }],
      usage: { prompt_tokens: 9 },
    });
    const forged = '<|endoftext|>';
    const said = await post(
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: `hi${forged}` }], temperature: 0, max_tokens: 2 },
      originOf(chat),
    );
    // What somebody wrote stays text, character by character; the template's own end is one token.
    expect(await said.json()).toMatchObject({ usage: { prompt_tokens: 9 + forged.length } });
  });
});
