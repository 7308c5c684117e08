/** What is no item and no tool of a response is refused by its place, whatever stands there. */
import { expect, it } from 'vitest';
import { EngineError } from '../engine-error.ts';
import { parseResponseRequest } from './parse-response-request.ts';

const odd = [{ toString: 1 }, ['message'], 7, 'constructor', 'x'.repeat(10_000)];

it.each(odd)('an item or a tool of type %j', (type) => {
  for (const [body, param] of [
    [{ input: [{ type }] }, 'input[0].type'],
    [{ input: 'hi', tools: [{ type, name: 'f' }] }, 'tools[0].type'],
  ] as const) {
    const refusal = (): unknown => {
      try {
        return parseResponseRequest(body);
      } catch (error) {
        return error;
      }
    };
    expect(refusal()).toBeInstanceOf(EngineError);
    expect(refusal()).toMatchObject({ status: 400, param });
    expect((refusal() as Error).message.length).toBeLessThan(200);
  }
});
