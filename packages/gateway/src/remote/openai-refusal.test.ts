import { describe, expect, it } from 'vitest';
import { createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';
import { openaiRefusal } from './openai-refusal.ts';

const said = (status: number, body: string): unknown =>
  JSON.parse(openaiRefusal(status, Buffer.from(body)).toString());

describe('a refusal of a server that is not ours', () => {
  it('stays as it came where it has OpenAI’s form', () => {
    // vLLM 0.32.
    const body = '{"error":{"message":"n must be 1","type":"BadRequestError","param":null,"code":400}}';
    expect(openaiRefusal(400, Buffer.from(body)).toString()).toBe(body);
  });

  it.each([
    ['vLLM 0.32 for a path that it has not', 404, '{"detail":"Not Found"}', 'refused it with 404: Not Found'],
    [
      'FastAPI for a field of another form',
      422,
      '{"detail":[{"loc":["body","input"],"msg":"Field required","type":"missing"}]}',
      'refused it with 422: body.input: Field required',
    ],
    ['transformers 5.23 where it fails', 500, 'Internal Server Error', 'failed with 500.'],
    ['a proxy’s page', 502, '<html>Bad Gateway</html>', 'failed with 502.'],
    ['a sentence as `error`', 400, '{"error":"no such model"}', 'refused it with 400: no such model'],
    ['JSON that is no object', 400, 'null', 'refused it with 400.'],
    ['a detail of another form', 400, '{"detail":[null,7,{}]}', 'refused it with 400.'],
  ])('is told in it otherwise: %s', (_what, status, body, message) => {
    const type = status < 500 ? 'invalid_request_error' : 'server_error';
    const code = status < 500 ? 'upstream_refused' : 'upstream_failed';
    expect(said(status, body)).toEqual({
      error: { message: `The model server ${message}`, type, param: null, code },
    });
  });

  it('keeps its status and its `Retry-After`, and is JSON', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      response.writeHead(404, { 'content-type': 'text/plain', 'retry-after': '7' });
      response.end('Not Found');
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const answer = await harness.post('/v1/embeddings', { model: 'chat', input: 'x' });
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('retry-after')]).toEqual([
      404,
      'application/json',
      '7',
    ]);
    expect(await answer.json()).toMatchObject({ error: { code: 'upstream_refused' } });
  });
});
