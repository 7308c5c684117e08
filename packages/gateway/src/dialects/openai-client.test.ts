/** The client that most users bring, in the two major versions that they have. */
import { expect, it } from 'vitest';
import { completeWith, createFakeEngine, sendJson } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';
import { openaiMajors } from '../testing/openai-majors.ts';

/** Where the model behind a name judges texts, the judgement is passed on as it is. */
const judgement = { id: 'modr-1', model: 'chat', results: [{ flagged: true, categories: {} }] };

it.each(openaiMajors)('serves openai@$major: every kind of call, and errors', async ({ Client }) => {
  await using engine = await createFakeEngine((received, response) => {
    if (received.path.endsWith('/moderations')) sendJson(response, judgement);
    else completeWith(['Hello', ' world'])(received, response);
  });
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const client = new Client({ baseURL: `${harness.baseUrl}/v1`, apiKey: 'sk-acme', maxRetries: 0 });

  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  expect(models).toEqual(['chat']);
  expect((await client.models.retrieve('chat')).object).toBe('model');

  const messages = [{ role: 'user' as const, content: 'hi' }];
  const answer = await client.chat.completions.create({ model: 'chat', messages });
  expect(answer.choices[0]?.message.content).toBe('Hello world');
  expect(answer.usage?.completion_tokens).toBe(2);

  const pieces: string[] = [];
  const stream = await client.chat.completions.create({
    model: 'chat',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let total: number | undefined;
  for await (const chunk of stream) {
    const piece = chunk.choices[0]?.delta.content;
    if (typeof piece === 'string') pieces.push(piece);
    total = chunk.usage?.total_tokens ?? total;
  }
  expect(pieces.join('')).toBe('Hello world');
  expect(total).toBe(7);

  expect((await client.completions.create({ model: 'chat', prompt: 'hi' })).choices[0]?.text).toBe(
    'Hello world',
  );
  const embedded = await client.embeddings.create({ model: 'chat', input: 'hi', encoding_format: 'float' });
  expect(embedded.data[0]?.embedding).toEqual([0.5, -0.5]);

  const judged = await client.moderations.create({ model: 'chat', input: 'hi' });
  expect(judged).toEqual(judgement);
  // No engine here makes pictures: said so, not guessed at.
  const picture = client.images.generate({ model: 'chat', prompt: 'a cat' });
  await expect(picture).rejects.toMatchObject({ status: 404, code: 'unknown_path' });

  const missing = await client.chat.completions
    .create({ model: 'nope', messages })
    .catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(Client.APIError);
  expect(missing).toMatchObject({ status: 404, code: 'model_not_found' });
  const stranger = new Client({ baseURL: `${harness.baseUrl}/v1`, apiKey: 'sk-none', maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
});
