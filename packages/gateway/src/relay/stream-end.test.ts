/** How a stream of somebody else's server ends: what says that it is whole, and what the client hears then. */
import { describe, expect, it } from 'vitest';
import { createFakeEngine, delta, startStream } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

const chat = { model: 'chat', messages: [{ role: 'user', content: 'hi' }], stream: true };

async function streamed(frames: readonly string[]) {
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    response.end(frames.join(''));
  });
  await using harness = await createGatewayHarness({ maxAttempts: 1 });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const answer = await harness.post('/v1/chat/completions', chat);
  return { text: await answer.text(), meter: harness.meter };
}

describe('a stream that ends without [DONE]', () => {
  it('is whole where its last frame says why the model stopped: the client is told [DONE] all the same', async () => {
    // As `transformers serve` 5.23 ends.
    const last =
      'data: {"choices":[{"delta":{},"finish_reason":"length","index":0}],"usage":{"completion_tokens":1,"prompt_tokens":2,"total_tokens":3}}\n\n';
    const { text, meter } = await streamed([delta('one'), last]);
    expect(text).toBe(`${delta('one')}${last}data: [DONE]\n\n`);
    expect(meter).toMatchObject([{ status: 200, promptTokens: 2, completionTokens: 1 }]);
    expect(meter[0]?.isEstimated ?? false).toBe(false);
  });

  it('was cut off otherwise', async () => {
    const { text, meter } = await streamed([delta('one')]);
    expect(text).toContain('stream_interrupted');
    expect(text).not.toContain('[DONE]');
    expect(meter).toMatchObject([{ completionTokens: 1, isEstimated: true }]);
  });
});
