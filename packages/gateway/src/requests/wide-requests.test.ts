/** Requests that hold very many of something are refused at the edge, by counting, before anything walks through them. */
import { expect, it } from 'vitest';
import { parseRequest, type Operation } from './parse-request.ts';

const many = <T>(count: number, item: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => item(at));
const messages = [{ role: 'user', content: 'hi' }];
const numbered = (count: number, value: unknown): Record<string, unknown> =>
  Object.fromEntries(many(count, (at) => [String(at), value]));

const parse = (operation: Operation, body: object) =>
  parseRequest(operation, Buffer.from(JSON.stringify({ model: 'm', ...body })));

it.each<[string, Operation, string, object]>([
  ['2 million tokens', 'completions', 'prompt', { prompt: many(2_000_000, () => 1) }],
  ['tokens in many lists', 'completions', 'prompt', { prompt: many(1_025, () => many(1_024, () => 1)) }],
  ['a list of 100,000 texts', 'completions', 'prompt', { prompt: many(100_000, () => 'a') }],
  ['a text among tokens', 'completions', 'prompt', { prompt: [1, 2, 'a'] }],
  ['100,000 texts to embed', 'embeddings', 'input', { input: many(100_000, () => 'a') }],
  ['no text to embed', 'embeddings', 'input', { input: '' }],
  ['100,000 messages', 'chat/completions', 'messages', { messages: many(100_000, () => messages[0]) }],
  ['no messages', 'chat/completions', 'messages', { messages: [] }],
  [
    'a message of 100,000 parts',
    'chat/completions',
    'messages.0.content',
    { messages: [{ role: 'user', content: many(100_000, () => ({ type: 'text', text: 'a' })) }] },
  ],
  ['10,000 tools', 'chat/completions', 'tools', { messages, tools: many(10_000, () => ({})) }],
  ['100,000 stop strings', 'chat/completions', 'stop', { messages, stop: many(100_000, String) }],
  ['a million biases', 'chat/completions', 'logit_bias', { messages, logit_bias: numbered(1_000_000, 1) }],
  ['a list of biases', 'chat/completions', 'logit_bias', { messages, logit_bias: [1] }],
  ['a million answers', 'chat/completions', 'n', { messages, n: 1_000_000 }],
  ['a million alternatives', 'chat/completions', 'top_logprobs', { messages, top_logprobs: 1_000_000 }],
  ['no number of tokens', 'chat/completions', 'max_tokens', { messages, max_tokens: 1e300 }],
  ['100,000 items', 'responses', 'input', { input: many(100_000, () => messages[0]) }],
  ['100,000 texts to moderate', 'moderations', 'input', { input: many(100_000, () => 'a') }],
])('%s', (_what, operation, param, body) => {
  expect(parse(operation, body)).toMatchObject({
    problem: { code: 'invalid_request', param, detail: expect.stringContaining(param) },
  });
});

it.each<[string, Operation, object]>([
  ['a prompt of a million tokens', 'completions', { prompt: many(1_000_000, () => 1) }],
  ['several prompts of tokens', 'completions', { prompt: [[1], [2, 3]] }],
  ['2,048 texts', 'embeddings', { input: many(2_048, () => 'a') }],
  ['10,000 messages', 'chat/completions', { messages: many(10_000, () => messages[0]) }],
  ['a message without parts', 'chat/completions', { messages: [{ role: 'user', content: [] }] }],
  ['biases', 'chat/completions', { messages, logit_bias: numbered(1_000, -100) }],
])('%s is no attack', (_what, operation, body) => {
  expect(parse(operation, body)).toMatchObject({ request: { model: 'm' } });
});
