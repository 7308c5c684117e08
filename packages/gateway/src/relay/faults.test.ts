/** What must neither wedge the gateway, nor leak a request, nor lose its record. Each fault is followed by a good request. */
import { connect, type Socket } from 'node:net';
import { expect, it, vi } from 'vitest';
import { KeyCache } from '../limits/key-cache.ts';
import { createMemoryLimits } from '../limits/memory-limits.ts';
import { MeterBook } from '../limits/meter-book.ts';
import {
  completeWith,
  createFakeEngine,
  delta,
  startStream,
  type FakeEngine,
} from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until, type GatewayHarness } from '../testing/gateway-harness.ts';

const chat = { model: 'chat', messages: [{ role: 'user', content: 'hello' }] };

/** Nothing is left of what went before: no stream here or at the engine, one record of each request that was routed. */
async function isWell(harness: GatewayHarness, engine: FakeEngine, routed: number): Promise<void> {
  await until(() => harness.gateway.stats().inFlight === 0 && engine.open() === 0);
  expect(harness.meter).toHaveLength(routed);
  engine.answer = completeWith(['well']);
  expect((await harness.post('/v1/chat/completions', chat)).status).toBe(200);
  await until(() => harness.meter.length === routed + 1);
  expect(new Set(harness.meter.map(({ id }) => id)).size).toBe(routed + 1);
  await until(() => harness.gateway.stats().inFlight === 0);
  expect(harness.gateway.stats()).toMatchObject({ inFlight: 0, holding: 0 });
  for (const { inFlight } of harness.gateway.stats().replicas) expect(inFlight).toBe(0);
}

/** A request by hand; what it does with the answer is the test's. */
function byHand(harness: GatewayHarness, body: string, length = Buffer.byteLength(body)): Socket {
  const socket = connect(harness.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-acme\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`,
  );
  return socket;
}

it('gives up a replica that takes a request and says nothing; another answers in its place', async () => {
  await using hung = await createFakeEngine(() => undefined);
  await using healthy = await createFakeEngine(completeWith(['fine']));
  await using harness = await createGatewayHarness({ firstByteTimeoutMs: 1_000 });
  harness.gateway.setRoutes('acme', [chatRoute(hung)]);
  expect((await harness.post('/v1/chat/completions', chat)).status).toBeGreaterThanOrEqual(500);
  expect(harness.meter).toHaveLength(1);
  harness.gateway.setRoutes('acme', [chatRoute(hung, healthy)]);
  for (let turn = 0; turn < 3; turn++)
    expect((await harness.post('/v1/chat/completions', chat)).status).toBe(200);
  await isWell(harness, healthy, 4);
});

it('ends a stream that falls silent with an error, and counts what came', async () => {
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    response.write(delta('one'));
  });
  await using harness = await createGatewayHarness({ idleTimeoutMs: 1_000 });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const text = await (await harness.post('/v1/chat/completions', { ...chat, stream: true })).text();
  expect(text).toContain('one');
  expect(text).not.toContain('[DONE]');
  expect(harness.meter).toMatchObject([{ completionTokens: 1 }]);
  await isWell(harness, engine, 1);
});

it.each([
  ['a stream of bytes that never become a frame', 'text/event-stream', delta('one'), 'data: {"cho'],
  ['a body that trickles', 'application/json', '', '{"choices":['],
])('gives up %s, though the engine is never silent', async (_what, type, first, start) => {
  await using engine = await createFakeEngine((_received, response) => {
    response.writeHead(200, { 'content-type': type });
    response.write(first + start);
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  });
  await using harness = await createGatewayHarness({ idleTimeoutMs: 1_000, firstByteTimeoutMs: 1_000 });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const answer = await harness.post('/v1/chat/completions', { ...chat, stream: first !== '' });
  const text = await answer.text();
  expect(text).toContain(first === '' ? 'upstream_timeout' : 'stream_interrupted');
  expect(text).not.toContain('[DONE]');
  expect(engine.received).toHaveLength(1);
  expect(harness.meter).toMatchObject([{ completionTokens: first === '' ? 0 : 1 }]);
  await isWell(harness, engine, 1);
});

it('ends a stream whose engine is killed in the middle, and counts what came', async () => {
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    response.write(delta('one') + delta('two'));
  });
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const answer = await harness.post('/v1/chat/completions', { ...chat, stream: true });
  const reader = answer.body?.getReader();
  await reader?.read();
  await engine.crash();
  let text = '';
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read())
    text += Buffer.from(read.value).toString();
  expect(text).toContain('stream_interrupted');
  expect(harness.meter).toMatchObject([{ completionTokens: 2, isEstimated: true }]);
  await engine.restart();
  await isWell(harness, engine, 1);
});

it('cancels the work behind a client that vanished without a word once nothing can be sent to it', async () => {
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    const timer = setInterval(() => response.write(delta('x'.repeat(100_000))), 5);
    response.on('close', () => clearInterval(timer));
  });
  await using harness = await createGatewayHarness({ stalledClientMs: 300 });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  // Half-open: its kernel acknowledges nothing that it did not read, and no FIN ever comes.
  const socket = byHand(harness, JSON.stringify({ ...chat, stream: true }));
  await new Promise((resolve) => socket.once('readable', resolve));
  await until(() => engine.cancelled() === 1 && harness.meter.length === 1);
  expect(harness.meter).toMatchObject([{ status: 499, isEstimated: true }]);
  socket.destroy();
  await isWell(harness, engine, 1);
});

it('lets a client go that reads nothing of its stream, and stops the work behind it', async () => {
  const word = 'x'.repeat(50_000);
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    const more = (): void => {
      while (!response.destroyed && response.write(delta(word)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await using harness = await createGatewayHarness({ stalledClientMs: 300 });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const socket = byHand(harness, JSON.stringify({ ...chat, stream: true })).pause();
  await until(() => engine.cancelled() === 1 && harness.meter.length === 1);
  socket.destroy();
  await isWell(harness, engine, 1);
});

it('holds nothing for a client that sends half a body and leaves, or sends it byte by byte', async () => {
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const body = JSON.stringify(chat);
  const half = byHand(harness, body.slice(0, 20), body.length);
  await new Promise((resolve) => half.once('connect', resolve));
  half.resetAndDestroy();
  const slow = byHand(harness, '', body.length);
  const answered = new Promise<string>((resolve) =>
    slow.once('data', (bytes: Buffer) => resolve(bytes.toString())),
  );
  for (const character of body) await new Promise<void>((resolve) => slow.write(character, () => resolve()));
  expect(await answered).toContain('200 OK');
  slow.destroy();
  expect(engine.received).toHaveLength(1);
  await isWell(harness, engine, 1);
});

it('relays a prompt of 10 MB, and refuses one beyond its limit without keeping it', async () => {
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const ask = async (megabytes: number): Promise<number> => {
    const messages = [{ role: 'user', content: 'a'.repeat(megabytes * 1_000_000) }];
    return (await harness.post('/v1/chat/completions', { ...chat, messages })).status;
  };
  expect(await ask(10)).toBe(200);
  expect(engine.received[0]?.bytes.length).toBeGreaterThan(10_000_000);
  expect(await ask(17)).toBe(413);
  await isWell(harness, engine, 1);
});

it('keeps to its limits and its keys when the clock of the machine jumps', async () => {
  const limits = createMemoryLimits({ keyLimits: () => ({ requestsPerMinute: 3 }) });
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness({ limits });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const ask = async (): Promise<number> => (await harness.post('/v1/chat/completions', chat)).status;
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const yearMs = 365 * 86_400_000;
    const statuses: number[] = [];
    for (const jumpMs of [0, yearMs, -yearMs, yearMs]) {
      vi.setSystemTime(Date.now() + jumpMs);
      statuses.push(await ask());
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
    // The one that was refused reached no route; those that were answered took their real time.
    expect(harness.meter).toHaveLength(3);
    for (const { requestMs } of harness.meter) expect(requestMs).toBeLessThan(120_000);
    expect(harness.gateway.stats()).toMatchObject({ inFlight: 0, holding: 0 });
  } finally {
    vi.useRealTimers();
  }
});

it('serves 100,000 keys with limits of their own, and keeps nothing of those that rest', async () => {
  const book = new MeterBook();
  const limits = { requestsPerMinute: 2, tokensPerMinute: 1_000 };
  for (let key = 0; key < 100_000; key++) book.of(`key ${key}`, limits, 0);
  book.of('key 7', limits, 0).inFlight = 1;
  expect(book.size).toBe(100_000);
  for (let key = 0; key < 100_000; key++) book.of(`later ${key}`, limits, 180_000);
  expect(book.size).toBe(100_001);
  expect(book.of('key 7', limits, 180_000).inFlight).toBe(1);
});

it('knows 100,000 keys at once and asks again only for those that it had to forget', async () => {
  let asked = 0;
  const cache = new KeyCache({
    authenticate: async (bearer) => {
      asked += 1;
      return { tenantId: bearer, principalId: bearer };
    },
    now: () => 0,
  });
  for (let at = 0; at < 120_000; at++) await cache.lookup(`sk-${at}`);
  expect(asked).toBe(120_000);
  for (const at of [119_999, 60_000, 20_000])
    expect(await cache.lookup(`sk-${at}`)).toMatchObject({ tenantId: `sk-${at}` });
  expect(asked).toBe(120_000);
  expect(await cache.lookup('sk-0')).toMatchObject({ tenantId: 'sk-0' });
  expect(asked).toBe(120_001);
});

it('takes a client that closes its side for gone, and bears engines that close connections kept for later', async () => {
  await using engine = await createFakeEngine(() => undefined);
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const socket = byHand(harness, JSON.stringify(chat));
  await until(() => engine.received.length === 1);
  socket.end();
  await until(() => engine.cancelled() === 1 && harness.meter.length === 1);
  expect(harness.meter).toMatchObject([{ status: 499 }]);
  for (let turn = 0; turn < 3; turn++) {
    await isWell(harness, engine, turn + 1);
    engine.closeIdle();
  }
  expect(harness.meter.map(({ status }) => status)).toEqual([499, 200, 200, 200]);
});
