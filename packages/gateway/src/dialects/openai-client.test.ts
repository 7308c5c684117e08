/** The client that most users bring. */
import OpenAI, { APIError } from 'openai';
import { expect, it } from 'vitest';
import { createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

it('serves the openai npm client: models, chat, streams, completions, embeddings, errors', async () => {
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const client = new OpenAI({ baseURL: `${harness.baseUrl}/v1`, apiKey: 'sk-acme', maxRetries: 0 });

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

  const missing = await client.chat.completions
    .create({ model: 'nope', messages })
    .catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(APIError);
  expect(missing).toMatchObject({ status: 404, code: 'model_not_found' });
  const stranger = new OpenAI({ baseURL: `${harness.baseUrl}/v1`, apiKey: 'sk-none', maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
});
