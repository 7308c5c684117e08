/** Real requests, mutated: every one gets a refusal that names a problem, or a request that can be sent on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOipPath, toOipRequest } from './parse-oip.ts';
import { operationPaths, parseRequest, type Operation } from './parse-request.ts';
import { problemBody, problemStatus } from '../http/problem.ts';
import { redact } from '../payloads/redact.ts';
import { translateCall } from '../remote/translate-call.ts';
import { parseResponses } from '../responses/continue-response.ts';
import { ResponseStore } from '../responses/response-store.ts';
import { SseFrames } from '../relay/sse-frames.ts';
import { usageInJson } from '../metering/usage.ts';

const requests: Readonly<Record<Operation, object>> = {
  completions: { model: 'm', prompt: ['a', 'b'], n: 2, stop: ['\n'], logit_bias: { '5': -1 }, stream: true },
  'chat/completions': {
    model: 'm',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
    stream_options: { include_usage: false },
  },
  embeddings: { model: 'm', input: ['a'], dimensions: 8 },
  responses: { model: 'm', input: [{ role: 'user', content: 'x' }], previous_response_id: 'resp_1' },
  'responses/input_tokens': { model: 'm', input: 'x', instructions: 'y' },
  moderations: { model: 'm', input: 'a' },
};
const infer = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] }],
  outputs: [{ name: 'y' }],
};
const junk = fc.constantFrom<unknown>(
  null,
  -1,
  1e308,
  '',
  [],
  {},
  true,
  '\u0000',
  [[]],
  { toString: 1 },
  'x'.repeat(9_999),
);

/** A copy with the value at one place replaced, whichever `pick` leads to. */
function mutate(value: unknown, pick: readonly number[], by: unknown): unknown {
  if (typeof value !== 'object' || value === null || pick.length === 0) return by;
  const keys = Object.keys(value);
  const key = keys[(pick[0] ?? 0) % Math.max(1, keys.length)];
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? value.slice() : { ...value }) as Record<string, unknown>;
  copy[key] = mutate(copy[key], pick.slice(1), by);
  return copy;
}
const picks = fc.array(fc.nat(6), { maxLength: 5 });
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? '');

/** Some bytes of it changed, or its end cut off. */
const broken = (whole: Buffer) =>
  fc
    .tuple(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(whole.length))
    .map(([changes, length]) => {
      const copy = Buffer.from(whole.subarray(0, length));
      for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
      return copy;
    });
const seeded = { seed: 17, numRuns: 400 };

describe.each(Object.values(operationPaths))('a request to %s', (operation) => {
  const check = (bytes: Buffer): void => {
    const outcome =
      operation === 'responses' || operation === 'responses/input_tokens'
        ? parseResponses(new ResponseStore(1_000), 'acme', bytes, operation)
        : parseRequest(operation, bytes);
    if ('problem' in outcome) {
      expect(problemStatus(outcome.problem)).toBeGreaterThanOrEqual(400);
      expect(() => JSON.parse(problemBody(outcome.problem)) as unknown).not.toThrow();
      return;
    }
    const { body } = outcome.request.toUpstream('other');
    expect(JSON.parse(body?.toString() ?? '')).toMatchObject({ model: expect.stringContaining('other') });
  };

  it('with a value of the wrong kind anywhere', () => {
    fc.assert(
      fc.property(picks, junk, (pick, by) => check(bytesOf(mutate(requests[operation], pick, by)))),
      seeded,
    );
  });

  it('with broken bytes', () => {
    fc.assert(fc.property(broken(bytesOf(requests[operation])), check), seeded);
  });
});

describe('a tensor request', () => {
  it('for a server of another dialect is refused or translated, and so is any answer', () => {
    const asked = { model: 'm', version: undefined, verb: 'infer', isBinary: false } as const;
    const check = (bytes: Buffer, answer: Buffer): void => {
      for (const engine of ['tfserving', 'torchserve'] as const) {
        const made = translateCall({ engine }, { ...asked, bytes }, 'm');
        if (made === undefined || !('call' in made)) continue;
        for (const status of [200, 500]) {
          const said = JSON.parse(made.toAnswer(status, answer).toString()) as object;
          expect('error' in said || 'outputs' in said).toBe(true);
        }
      }
    };
    const answer = { outputs: { y: [[1, 2], [3]] }, predictions: [{ a: 1 }], error: { deep: 1 } };
    fc.assert(
      fc.property(picks, junk, picks, junk, (pick, by, answerPick, answerBy) => {
        check(bytesOf(mutate(infer, pick, by)), bytesOf(mutate(answer, answerPick, answerBy)));
        check(bytesOf(infer), bytesOf(mutate(answer, answerPick, answerBy)));
      }),
      seeded,
    );
    fc.assert(
      fc.property(broken(bytesOf(infer)), (bytes) => check(bytes, bytes)),
      seeded,
    );
  });

  it('has a path that is one of ours or none', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', '/infer', '/ready', '/versions/3/infer'), (name, tail) => {
        const path = parseOipPath(`/v2/models/${name}${tail}`);
        if (path === undefined) return;
        const { path: sent } = toOipRequest(path, Buffer.from('{}'), {}).toUpstream(path.model);
        expect(sent.startsWith('/v2/models/')).toBe(true);
        expect(sent).not.toMatch(/[\r\n ]/);
      }),
      seeded,
    );
  });
});

describe('what an engine says', () => {
  it('is cut into frames without a loss, however it comes', () => {
    const stream =
      'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"usage":{"prompt_tokens":3}}\r\n\r\n: ping\n\ndata: [DONE]\n\n';
    fc.assert(
      fc.property(
        broken(Buffer.from(stream)),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bytes, sizes) => {
          const frames = new SseFrames({ stripUsage: false });
          const out: Buffer[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] as number;
            out.push(Buffer.from(frames.push(bytes.subarray(at, at + size))));
            at += size;
          }
          expect(bytes.toString('latin1').startsWith(Buffer.concat(out).toString('latin1'))).toBe(true);
        },
      ),
      seeded,
    );
  });

  it('has a usage that is whole numbers, or none', () => {
    const answer = Buffer.from(
      '{"choices":[],"usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}}',
    );
    fc.assert(
      fc.property(broken(answer), (bytes) => {
        for (const count of Object.values(usageInJson(bytes) ?? {}))
          expect(Number.isSafeInteger(count)).toBe(true);
      }),
      seeded,
    );
  });

  it('is redacted whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        redact(value, new Set(['a']));
      }),
      { seed: 17, numRuns: 300 },
    );
  });
});
