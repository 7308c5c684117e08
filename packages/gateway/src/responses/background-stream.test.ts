import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { createFakeEngine, startStream, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until, type GatewayHarness } from '../testing/gateway-harness.ts';
import { openaiMajors } from '../testing/openai-majors.ts';
import { EventReader } from '../http/event-reader.ts';
import { EventLog } from './event-log.ts';
import type { KeptResponse } from './response-store.ts';

const whole = {
  id: 'resp_engine',
  object: 'response',
  status: 'in_progress',
  output: [] as unknown[],
  usage: null as unknown,
};
const message = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'one two', annotations: [] }],
};
const ask = { model: 'chat', input: 'hello', background: true, stream: true } as const;
const frame = (event: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const delta = (text: string) =>
  frame({
    type: 'response.output_text.delta',
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta: text,
    logprobs: [],
    sequence_number: 99,
  });

/** An engine whose stream goes on when it is told to. */
async function steppingEngine(): Promise<
  FakeEngine & { say(text: string): void; complete(): void; break(): void }
> {
  let response: { write(text: string): void; end(text: string): void; destroy(): void } | undefined;
  const engine = await createFakeEngine((_received, begun) => {
    response = begun;
    startStream(begun);
    begun.write(frame({ type: 'response.created', response: whole }));
    begun.write(frame({ type: 'response.in_progress', response: whole }));
  });
  const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
  const done = { ...whole, status: 'completed', output: [message], usage };
  return Object.assign(engine, {
    say: (text: string) => response?.write(delta(text)),
    complete: () => response?.end(frame({ type: 'response.completed', response: done })),
    break: () => response?.destroy(),
  });
}

describe.each(openaiMajors)('a background response that is streamed, by openai@$major', ({ Client }) => {
  const clientOf = ({ baseUrl }: GatewayHarness): OpenAI =>
    new Client({ apiKey: 'sk-acme', baseURL: `${baseUrl}/v1`, maxRetries: 0 });

  it('goes on when its reader leaves, who takes up the rest by number, also after the end', async () => {
    await using engine = await steppingEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = clientOf(harness);
    const seen: number[] = [];
    let id = '';
    for await (const event of await client.responses.create(ask)) {
      expect(event.sequence_number).toBe(seen.length);
      seen.push(event.sequence_number);
      if (event.type === 'response.created') ({ id } = event.response);
      if (event.type === 'response.in_progress') engine.say('one');
      if (event.type === 'response.output_text.delta') break;
    }
    expect(id).toMatch(/^resp_[0-9a-f]{32}$/);
    expect(engine.cancelled()).toBe(0);
    expect(await client.responses.retrieve(id)).toMatchObject({ status: 'in_progress' });

    const after = seen.at(-1) ?? 0;
    const rest = await client.responses.retrieve(id, { stream: true, starting_after: after });
    engine.say(' two');
    engine.complete();
    const types: string[] = [];
    for await (const event of rest) {
      expect(event.sequence_number).toBe(after + types.length + 1);
      types.push(event.type);
      if (event.type === 'response.completed') expect(event.response).toMatchObject({ id, background: true });
    }
    expect(types).toEqual(['response.output_text.delta', 'response.completed']);
    await until(() => harness.meter.length === 1);
    expect(harness.meter).toMatchObject([{ promptTokens: 3, completionTokens: 2, status: 200 }]);
    expect(await client.responses.retrieve(id)).toMatchObject({ id, status: 'completed', output: [message] });

    const all: string[] = [];
    for await (const event of await client.responses.retrieve(id, { stream: true })) all.push(event.type);
    expect(all).toEqual(['response.created', 'response.in_progress', 'response.output_text.delta', ...types]);
    const foreign = await fetch(`${harness.baseUrl}/v1/responses/${id}?stream=true`, {
      headers: { authorization: 'Bearer sk-zeta' },
    });
    expect(foreign.status).toBe(404);
  });

  it('is put together by the client’s own helper', async () => {
    await using engine = await steppingEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const stream = clientOf(harness).responses.stream({ model: 'chat', input: 'hello', background: true });
    stream.on('event', (event) => {
      if (event.type === 'response.in_progress') engine.complete();
    });
    expect(await stream.finalResponse()).toMatchObject({ status: 'completed', output: [message] });
  });

  it('ends with why: broken off by its engine, cancelled, refused as what it is not', async () => {
    await using engine = await steppingEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const client = clientOf(harness);
    const last = async (act: (id: string) => void): Promise<string> => {
      let id = '';
      let type = '';
      for await (const event of await client.responses.create(ask)) {
        ({ type } = event);
        if (event.type === 'response.created') ({ id } = event.response);
        if (event.type === 'response.in_progress') act(id);
      }
      return `${(await client.responses.retrieve(id)).status} ${type}`;
    };
    expect(await last(() => engine.break())).toBe('failed response.failed');
    expect(await last((id) => void client.responses.cancel(id))).toBe('cancelled response.in_progress');
    await until(() => engine.cancelled() >= 1);
    const plain = client.responses.create({ ...ask, stream: false });
    const { id } = await plain;
    await expect(client.responses.retrieve(id, { stream: true })).rejects.toMatchObject({ param: 'stream' });
  });
});

describe('what is kept of it', () => {
  it('ends as failed for those who come back after a restart', async () => {
    await using engine = await steppingEngine();
    const disk = new Map<string, KeptResponse>();
    const responseKeeper = {
      save: (kept: KeptResponse) => void disk.set(kept.id, structuredClone(kept)),
      remove: (_tenantId: string, id: string) => void disk.delete(id),
    };
    await using before = await createGatewayHarness({ responseKeeper });
    before.gateway.setRoutes('acme', [chatRoute(engine)]);
    const begun = await before.post('/v1/responses', ask);
    await begun.body?.cancel();
    const [id] = [...disk.keys()];
    await using after = await createGatewayHarness({ knownResponses: [...disk.values()] });
    const answer = await fetch(`${after.baseUrl}/v1/responses/${id}?stream=true&starting_after=0`, {
      headers: { authorization: 'Bearer sk-acme' },
    });
    expect(await answer.text()).toMatch(/^:\n\nevent: response\.failed\ndata: .*restarted/);
  });

  it('waits for no reader, and lets one go that reads nothing', async () => {
    const log = new EventLog();
    const written: string[] = [];
    const listeners = new Map<string, () => void>();
    let isGone = false;
    const response = {
      write: (text: string) => written.push(text) < 2,
      once: (name: string, act: () => void) => listeners.set(name, act),
      end: () => written.push('end'),
      destroy: () => (isGone = true),
    };
    log.append({ type: 'a' });
    log.follow(response as never, -1, 10);
    log.append({ type: 'b' });
    log.append({ type: 'c' });
    expect(written).toHaveLength(2);
    listeners.get('drain')?.();
    log.end();
    expect(written.at(-1)).toContain('"sequence_number":2');
    await until(() => isGone);
  });

  it('is read however its bytes are cut', () => {
    const bytes = new TextEncoder().encode(
      'event: a\r\ndata: {"type":"ä"}\r\n\r\n: ping\n\ndata: [DONE]\n\ndata: {"n":1}\n\n',
    );
    for (let at = 0; at < bytes.length; at++) {
      const reader = new EventReader();
      const events = [...reader.push(bytes.subarray(0, at)), ...reader.push(bytes.subarray(at))];
      expect(events).toEqual([{ type: 'ä' }, { n: 1 }]);
    }
  });
});
