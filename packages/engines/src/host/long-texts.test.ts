/** A text that cannot fit is refused by its length, before it costs anything; what may fit is counted in tokens. */
import { afterAll, expect, it } from 'vitest';
import { servePermutation } from '../testing/permutation-server.ts';

const host = await servePermutation();
afterAll(() => host[Symbol.asyncDispose]());

const million = 'x'.repeat(1_000_000);

it.each([
  ['/v1/completions', { prompt: million }, 'prompt'],
  ['/v1/completions', { prompt: ['a', million] }, 'prompt'],
  ['/v1/chat/completions', { messages: [{ role: 'user', content: million }] }, 'messages'],
  ['/v1/responses', { input: million }, 'messages'],
  ['/v1/embeddings', { input: million }, 'input'],
])('%s: a million characters', async (path, body, param) => {
  const answer = await host.post(path, body);
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { error: { code: 'context_length_exceeded', param, message: expect.stringContaining('characters') } },
  ]);
});

it('counts the tokens of a text that is only a little too long', async () => {
  const answer = await host.post('/v1/completions', { prompt: 'x'.repeat(5_000) });
  expect([answer.status, await answer.text()]).toMatchObject([
    400,
    expect.stringContaining('the prompt has 5000'),
  ]);
});
