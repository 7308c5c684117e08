/** Bodies and answers that nest without end: refused or passed on, and nobody else notices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTensors } from '../drift/read-tensors.ts';
import { createFakeEngine, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, type GatewayHarness } from '../testing/gateway-harness.ts';

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const deepFields = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);

let engine: FakeEngine;
let harness: GatewayHarness;
beforeAll(async () => {
  engine = await createFakeEngine();
  harness = await createGatewayHarness();
  const payloads = { sample: 1, redact: [] };
  harness.gateway.setRoutes('acme', [
    { ...chatRoute(engine), cacheMs: 60_000, adapters: ['legal'], payloads },
  ]);
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const bodies = (levels: number): readonly (readonly [string, string])[] => [
  ['/v1/chat/completions', `{"model":"chat","messages":[{"role":"user"}],"tools":${deep(levels)}}`],
  ['/v1/chat/completions', `{"model":"chat","messages":[{"role":"user","content":${deep(levels)}}]}`],
  ['/v1/chat/completions', `{"model":"chat:legal","messages":[{"role":"user"}],"x":${deepFields(levels)}}`],
  [
    '/v1/chat/completions',
    `{"stream":true,"stream_options":${deepFields(levels)},"messages":[{"role":"user"}],"model":"chat"}`,
  ],
  ['/v1/completions', `{"model":"chat","prompt":${deep(levels)}}`],
  ['/v1/embeddings', `{"model":"chat","input":${deep(levels)}}`],
  ['/v1/moderations', `{"model":"chat","input":${deep(levels)}}`],
  ['/v1/responses', `{"model":"chat","input":${deep(levels)}}`],
  ['/v1/responses', `{"model":"chat","background":true,"input":"a","metadata":${deepFields(levels)}}`],
];

describe.each([1_000, 100_000])('%d levels', (levels) => {
  it.each(bodies(levels))('of a body to %s are refused with a sentence', async (path, body) => {
    const answer = await harness.post(path, body);
    const { error } = (await answer.json()) as { readonly error: { readonly message: string } };
    expect([answer.status, error.message]).toEqual([
      400,
      'Lists and objects nest more than 128 deep. The body is not a JSON object.',
    ]);
  });

  it.each([
    ['/v1/chat/completions', { model: 'chat', messages: [{ role: 'user', content: 'a' }] }],
    ['/v1/responses', { model: 'chat', input: 'a' }],
    ['/v1/responses', { model: 'chat', input: 'a', background: true }],
    ['/v1/embeddings', { model: 'chat', input: 'a' }],
    ['/v2/models/chat/infer', { inputs: [] }],
  ])('of an answer from %s harm nobody', async (path, body) => {
    engine.answer = (_received, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(`{"id":"resp_${levels}","outputs":${deep(levels)},"output":${deepFields(levels)}}`);
    };
    const answer = await harness.post(path, body);
    await answer.text();
    expect(answer.status).toBe(200);
    await harness.post(`/v1/responses`, {
      model: 'chat',
      input: 'b',
      previous_response_id: `resp_${levels}`,
    });
  });
});

it('a tensor that nests is not looked into for drift', () => {
  const data = deep(20_000);
  const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[${data}]}]}`);
  expect(readTensors(body, undefined, 'inputs')).toMatchObject({ tensors: [] });
});
