/** Real requests, mutated: the engine computes them or refuses them with a 400 that names a field, never with a crash. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EngineError } from '../engine-error.ts';
import { parseChat, parseCompletions, parseEmbeddings } from './parse-request.ts';
import { parseResponseRequest } from './parse-response-request.ts';

const schema = {
  type: 'object',
  properties: {
    a: { type: 'string', minLength: 1, maxLength: 5 },
    b: { type: 'array', items: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/a' }] }, maxItems: 4 },
    c: { enum: ['x', 1, null] },
  },
  required: ['a'],
  $defs: { a: { type: 'object', properties: { next: { $ref: '#/$defs/a' } } } },
};
const tool = { type: 'function', function: { name: 'f', parameters: schema } };
const said = { role: 'user', content: [{ type: 'text', text: 'hi' }] };
const called = { role: 'assistant', content: null, tool_calls: [{ id: 'c', ...tool }] };
const format = { type: 'json_schema', json_schema: { name: 's', strict: true, schema } };

const requests = [
  [
    parseChat,
    { messages: [said, called], tools: [tool], tool_choice: 'required', response_format: format, n: 2 },
  ],
  [parseCompletions, { prompt: ['a', 'b'], stop: ['x'], logit_bias: { '5': -1 }, echo: true, logprobs: 2 }],
  [parseEmbeddings, { input: ['a', [1, 2]], encoding_format: 'base64' }],
  [
    parseResponseRequest,
    {
      input: [said, { type: 'function_call_output', call_id: 'c', output: '1' }],
      tools: [{ type: 'function', name: 'f', parameters: schema }],
      text: { format: { type: 'json_schema', name: 's', schema } },
    },
  ],
] as const;

const junk = fc.constantFrom<unknown>(
  null,
  -1,
  1e308,
  0.5,
  '',
  [],
  {},
  true,
  'constructor',
  { toString: 1 },
  { $ref: '#/$defs/__proto__' },
  [1, 'a', null],
);

/** A copy with what `path` leads to replaced. */
function mutate(value: unknown, path: readonly number[], by: unknown): unknown {
  if (typeof value !== 'object' || value === null || path.length === 0) return by;
  const keys = Object.keys(value);
  const key = keys[(path[0] ?? 0) % Math.max(1, keys.length)];
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? value.slice() : { ...value }) as Record<string, unknown>;
  copy[key] = mutate(copy[key], path.slice(1), by);
  return copy;
}

it.each(requests)('%o', (parse, request) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(fc.nat(6), { maxLength: 9 }), junk)), (changes) => {
      const body = changes.reduce<unknown>((sum, [path, by]) => mutate(sum, path, by), request);
      try {
        parse(body);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as EngineError).status).toBe(400);
      }
    }),
    { seed: 12, numRuns: 400 },
  );
});
