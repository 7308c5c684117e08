/** Requests that two readers of HTTP could understand differently: answered once with 400, and nothing behind them runs. */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFakeEngine, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, type GatewayHarness } from '../testing/gateway-harness.ts';

let engine: FakeEngine;
let harness: GatewayHarness;
beforeAll(async () => {
  engine = await createFakeEngine();
  harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const body = '{"model":"chat","prompt":"a"}';
const head = 'POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-acme\r\n';
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
/** What an attacker would have run in somebody else's name. */
const hidden = 'GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-zeta\r\n\r\n';

/** Everything that comes back until the other side closes. */
function say(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(harness.port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let told = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (told += chunk));
    socket.on('error', () => resolve(told)).on('close', () => resolve(told));
  });
}

it.each([
  ['two lengths', `${head}content-length: ${body.length}\r\ncontent-length: 3\r\n\r\n${body}${hidden}`],
  ['a list of lengths', `${head}content-length: 3, ${body.length}\r\n\r\n${body}${hidden}`],
  [
    'a length and chunks',
    `${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n${chunked}${hidden}`,
  ],
  ['chunks that are not last', `${head}transfer-encoding: chunked, identity\r\n\r\n${chunked}${hidden}`],
  ['an encoding that is none', `${head}transfer-encoding: xchunked\r\n\r\n${chunked}${hidden}`],
  ['a space before the colon', `${head}content-length : ${body.length}\r\n\r\n${body}${hidden}`],
  [
    'a line that is folded',
    `${head}x-one: a\r\n content-length: 3\r\ncontent-length : 1\r\n\r\n${body}${hidden}`,
  ],
  ['a bare line feed', `${head}x-one: a\ncontent-length: ${body.length}\r\n\r\n${body}${hidden}`],
  ['a NUL in a header', `${head}x-one: a\0b\r\ncontent-length: ${body.length}\r\n\r\n${body}${hidden}`],
  ['a length with a sign', `${head}content-length: +${body.length}\r\n\r\n${body}${hidden}`],
  ['a chunk of no length', `${head}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n${hidden}`],
])('%s', async (_what, bytes) => {
  const before = engine.received.length;
  const told = await say(bytes);
  expect(told.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
  expect(told).not.toContain('"object":"list"');
  expect(engine.received).toHaveLength(before);
});

it('headers without end are refused, not held', async () => {
  const told = await say(`${head}x-long: ${'a'.repeat(100_000)}\r\n\r\n`);
  expect(told).toMatch(/^HTTP\/1\.1 431/);
});

it('trailers say nothing: neither who asks nor what for', async () => {
  const trailer = 'authorization: Bearer sk-acme\r\nx-gantry-revision: r1\r\n\r\n';
  const open =
    'POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
  const told = await say(`${open}${body.length.toString(16)}\r\n${body}\r\n0\r\n${trailer}`);
  expect(told).toMatch(/^HTTP\/1\.1 401/);
});
