import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerAfter, writePermutationFolder } from '../testing/permutation-model.ts';
import type { EngineServer } from './engine-server.ts';
import { serveLlm } from './llm-server.ts';

let folder: string;
let server: EngineServer;
let client: OpenAI;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-paged-host-'));
  await writePermutationFolder(folder);
  server = await serveLlm({
    decoder: 'paged',
    modelPath: join(folder, 'model.safetensors'),
    modelName: 'fixture',
    threads: 1,
    listen: { port: 0 },
  });
  await server.loaded;
  const { port } = server.address as { readonly port: number };
  client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

it('answers the openai client from safetensors: whole, streamed, several to one prompt', async () => {
  const whole = await client.completions.create({ model: 'fixture', prompt: 'A', max_tokens: 90 });
  expect(whole.choices[0]).toMatchObject({ text: answerAfter('A'), finish_reason: 'stop' });
  let text = '';
  const stream = client.chat.completions.stream({
    model: 'fixture',
    messages: [{ role: 'user', content: 'a B' }],
  });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe(answerAfter('B'));
  const several = await client.completions.create({
    model: 'fixture',
    prompt: 'x y z',
    n: 3,
    max_tokens: 4,
    temperature: 0,
  });
  expect(several.choices.map((choice) => choice.text)).toEqual(Array(3).fill(answerAfter('z').slice(0, 4)));
});

it('answers in the JSON of a schema', async () => {
  const schema = { type: 'object', properties: { colour: { enum: ['red', 'blue'] } } };
  const { choices } = await client.chat.completions.create({
    model: 'fixture',
    temperature: 0,
    max_tokens: 90,
    messages: [{ role: 'user', content: 'a' }],
    response_format: { type: 'json_schema', json_schema: { name: 'paint', strict: true, schema } },
  });
  // This model would write line ends for ever.
  expect(choices[0]?.finish_reason).toBe('stop');
  const { colour } = JSON.parse(choices[0]?.message.content ?? '') as { readonly colour: string };
  expect(['red', 'blue']).toContain(colour);
});

it('embeds', async () => {
  const { data } = await client.embeddings.create({ model: 'fixture', input: ['the', 'fox'] });
  expect(data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
});
