import { describe, expect, it } from 'vitest';
import { createFakeEngine, sendJson, startStream, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';
import { openaiMajors } from '../testing/openai-majors.ts';
import { type KeptResponse, ResponseStore } from './response-store.ts';

const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
const message = (text: string) => ({
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});

/** An engine that answers with how many items it was given. */
function counting(): Answer {
  let made = 0;
  return ({ body }, response) => {
    const items = Array.isArray(body['input']) ? body['input'].length : 1;
    const whole = {
      id: `resp_${++made}`,
      object: 'response',
      status: 'completed',
      output: [message(`${items} items`)],
      usage,
    };
    if (body['stream'] !== true) return sendJson(response, whole);
    startStream(response);
    response.write(
      `event: response.created\ndata: ${JSON.stringify({ type: 'response.created', response: { ...whole, usage: null } })}\n\n`,
    );
    response.end(
      `event: response.completed\ndata: ${JSON.stringify({ type: 'response.completed', response: whole })}\n\n`,
    );
  };
}

describe.each(openaiMajors)('responses, by openai@$major', ({ Client }) => {
  it('continues a conversation, shows it and its input, and forgets it', async () => {
    await using engine = await createFakeEngine(counting());
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = new Client({ apiKey: 'sk-acme', baseURL: `${harness.baseUrl}/v1`, maxRetries: 0 });
    const first = await client.responses.create({ model: 'chat', input: 'hello' });
    const stream = await client.responses.create({
      model: 'chat',
      input: 'and then?',
      previous_response_id: first.id,
      stream: true,
    });
    let last = '';
    for await (const event of stream) if (event.type === 'response.completed') last = event.response.id;
    expect(engine.received[1]?.body['input']).toEqual([
      { type: 'message', role: 'user', content: 'hello' },
      message('1 items'),
      { type: 'message', role: 'user', content: 'and then?' },
    ]);
    expect(await client.responses.retrieve(last)).toMatchObject({ output: [message('3 items')] });
    const items = await client.responses.inputItems.list(last);
    expect(items.data).toHaveLength(3);
    expect(items.data[0]).toMatchObject({ content: 'and then?' });
    const oldest = await client.responses.inputItems.list(last, { order: 'asc', limit: 1 });
    expect(oldest.data).toMatchObject([{ content: 'hello' }]);
    const pages: unknown[] = [];
    for await (const item of client.responses.inputItems.list(last, { limit: 2 })) pages.push(item);
    expect(pages).toEqual(items.data);
    for (const wrong of ['limit=0', 'limit=x', 'after=msg_none']) {
      const refused = await fetch(`${harness.baseUrl}/v1/responses/${last}/input_items?${wrong}`, {
        headers: { authorization: 'Bearer sk-acme' },
      });
      expect(refused.status).toBe(400);
    }
    await expect(client.responses.cancel(last)).rejects.toMatchObject({ status: 400 });
    expect(
      harness.meter.map(({ promptTokens, completionTokens }) => [promptTokens, completionTokens]),
    ).toEqual([
      [3, 2],
      [3, 2],
    ]);
    await client.responses.delete(last);
    await expect(client.responses.retrieve(last)).rejects.toMatchObject({ code: 'response_not_found' });
  });

  it('counts what a request would ask, the conversation before it included, and keeps nothing of it', async () => {
    await using engine = await createFakeEngine(({ body, path }, response) => {
      if (path === '/v1/responses') return counting()({ body, path } as never, response);
      const items = Array.isArray(body['input']) ? body['input'].length : 1;
      sendJson(response, { object: 'response.input_tokens', input_tokens: 10 * items });
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const count = async (body: object) =>
      (await harness.post('/v1/responses/input_tokens', { model: 'chat', input: 'hi', ...body })).json();
    expect(await count({})).toEqual({ object: 'response.input_tokens', input_tokens: 10 });
    const client = new Client({ apiKey: 'sk-acme', baseURL: `${harness.baseUrl}/v1`, maxRetries: 0 });
    const { id } = await client.responses.create({ model: 'chat', input: 'hello' });
    expect(await count({ previous_response_id: id })).toMatchObject({ input_tokens: 30 });
    expect(await count({ previous_response_id: 'resp_none' })).toMatchObject({
      error: { param: 'previous_response_id' },
    });
  });

  it('keeps what a tenant said from others, and what it did not want kept from all', async () => {
    await using engine = await createFakeEngine(counting());
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    harness.gateway.setRoutes('zeta', [{ ...chatRoute(engine), endpointId: 'ep-zeta' }]);
    const kept = await harness.post('/v1/responses', { model: 'chat', input: 'a' });
    const { id } = (await kept.json()) as { id: string };
    const foreign = { model: 'chat', input: 'b', previous_response_id: id };
    expect((await harness.post('/v1/responses', foreign, { key: 'sk-zeta' })).status).toBe(404);
    expect((await harness.post('/v1/responses', foreign)).status).toBe(200);
    const unkept = await harness.post('/v1/responses', { model: 'chat', input: 'a', store: false });
    const { id: gone } = (await unkept.json()) as { id: string };
    const again = { model: 'chat', input: 'b', previous_response_id: gone };
    expect((await harness.post('/v1/responses', again)).status).toBe(404);
  });

  it('keeps responses over a restart of the gateway, and lets go what makes room', async () => {
    await using engine = await createFakeEngine(counting());
    const disk = new Map<string, KeptResponse>();
    const responseKeeper = {
      save: (kept: KeptResponse) => void disk.set(kept.id, kept),
      remove: (_tenantId: string, id: string) => void disk.delete(id),
    };
    let id: string;
    {
      await using harness = await createGatewayHarness({ responseKeeper });
      harness.gateway.setRoutes('acme', [chatRoute(engine)]);
      const made = await harness.post('/v1/responses', { model: 'chat', input: 'a' });
      ({ id } = (await made.json()) as { id: string });
    }
    const knownResponses = [...disk.values()];
    await using harness = await createGatewayHarness({ responseKeeper, knownResponses });
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const next = { model: 'chat', input: 'b', previous_response_id: id };
    expect((await harness.post('/v1/responses', next)).status).toBe(200);
    const client = new Client({ apiKey: 'sk-acme', baseURL: `${harness.baseUrl}/v1`, maxRetries: 0 });
    await client.responses.delete(id);
    expect([...disk.keys()]).not.toContain(id);
    const removed: string[] = [];
    const small = new ResponseStore(1_000, {
      save: () => undefined,
      remove: (_tenant, gone) => void removed.push(gone),
    });
    for (const name of 'x y z a b c d e f g h'.split(' '))
      small.set('t', name, { model: 'm', input: [], response: {}, bytes: 100 });
    expect(removed).toEqual(['x']);
  });

  it('drops the oldest when the room is full', () => {
    const store = new ResponseStore(1_000);
    const stored = { model: 'm', input: [], response: {}, bytes: 100 };
    for (let index = 0; index < 12; index++) store.set('t', `r${index}`, stored);
    expect(store.get('t', 'r1')).toBeUndefined();
    expect(store.get('t', 'r2')).toBeDefined();
    store.set('t', 'large', { ...stored, bytes: 900 });
    expect(store.get('t', 'large')).toBeUndefined();
    expect(store.delete('t', 'r2')).toBe(true);
  });
});
