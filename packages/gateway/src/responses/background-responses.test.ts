import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { createFakeEngine, sendJson, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until, type GatewayHarness } from '../testing/gateway-harness.ts';
import { openaiMajors } from '../testing/openai-majors.ts';
import type { KeptResponse } from './response-store.ts';

const answer = {
  id: 'resp_engine',
  object: 'response',
  status: 'completed',
  output: [
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'slow', annotations: [] }] },
  ],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
};
const ask = { model: 'chat', input: 'hello', background: true } as const;
/** An engine that answers when it is told to. */
async function waitingEngine(): Promise<FakeEngine & { finish(): void }> {
  let finish: (() => void) | undefined;
  const engine = await createFakeEngine((_received, response) => {
    finish = () => sendJson(response, answer);
  });
  return Object.assign(engine, { finish: () => finish?.() });
}

describe.each(openaiMajors)('a background response, by openai@$major', ({ Client }) => {
  const clientOf = ({ baseUrl }: GatewayHarness): OpenAI =>
    new Client({ apiKey: 'sk-acme', baseURL: `${baseUrl}/v1`, maxRetries: 0 });

  it('is told at once, made while nobody waits, and counted like any', async () => {
    await using engine = await waitingEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = clientOf(harness);
    const { id, status } = await client.responses.create({ ...ask, metadata: { for: 'later' } });
    expect(status).toBe('queued');
    await until(() => engine.received.length === 1);
    expect(engine.received[0]?.body).not.toHaveProperty('background');
    expect(await client.responses.retrieve(id)).toMatchObject({ id, status: 'in_progress', output: [] });
    await expect(client.responses.create({ ...ask, previous_response_id: id })).rejects.toMatchObject({
      status: 400,
      param: 'previous_response_id',
    });
    engine.finish();
    await until(() => harness.meter.length === 1);
    const done = await client.responses.retrieve(id);
    expect(done).toMatchObject({ id, status: 'completed', background: true, output_text: 'slow' });
    expect(harness.meter).toMatchObject([{ promptTokens: 3, completionTokens: 2, status: 200 }]);
    expect((await client.responses.inputItems.list(id)).data).toHaveLength(1);
    expect(await client.responses.cancel(id)).toMatchObject({ status: 'completed' });
  });

  it.each(['cancel', 'delete'] as const)('ends its engine’s work on %s', async (how) => {
    await using engine = await waitingEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = clientOf(harness);
    const { id } = await client.responses.create(ask);
    await until(() => engine.received.length === 1);
    const foreign = await harness.post(`/v1/responses/${id}/cancel`, {}, { key: 'sk-zeta' });
    expect(foreign.status).toBe(404);
    if (how === 'cancel') {
      expect(await client.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
      expect(await client.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
    } else {
      await client.responses.delete(id);
      await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
    }
    await until(() => engine.cancelled() === 1 && harness.meter.length === 1);
  });

  it('that fails says why, and one that cannot be admitted is refused at once', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"too long"}}');
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = clientOf(harness);
    const { id } = await client.responses.create(ask);
    await until(() => harness.meter.length === 1);
    expect(await client.responses.retrieve(id)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'too long' },
    });
    await expect(client.responses.create({ ...ask, model: 'none' })).rejects.toMatchObject({ status: 404 });
    expect((await harness.post('/v1/responses', { ...ask, store: false })).status).toBe(400);
  });

  it('that a restart interrupts is told as failed', async () => {
    await using engine = await waitingEngine();
    const disk = new Map<string, KeptResponse>();
    const responseKeeper = {
      save: (kept: KeptResponse) => void disk.set(kept.id, structuredClone(kept)),
      remove: (_tenantId: string, id: string) => void disk.delete(id),
    };
    await using before = await createGatewayHarness({ responseKeeper });
    before.gateway.setRoutes('acme', [chatRoute(engine)]);
    const { id } = await clientOf(before).responses.create(ask);
    await using after = await createGatewayHarness({ knownResponses: [...disk.values()] });
    expect(await clientOf(after).responses.retrieve(id)).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('restarted') },
    });
  });
});
