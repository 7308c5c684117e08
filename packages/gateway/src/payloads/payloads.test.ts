import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';
import type { PayloadRecord } from './payload-record.ts';
import { redact, redactText } from './redact.ts';

describe('redaction', () => {
  it.each([
    ['write to ada.l+x@mail.example.co.uk today', 'write to [redacted] today'],
    ['card 4111 1111 1111 1111, thanks', 'card [redacted], thanks'],
    ['order 4111 1111 1111 1112 is no card', 'order 4111 1111 1111 1112 is no card'],
    ['pay to DE89 3704 0044 0532 0130 00 now', 'pay to [redacted] now'],
    ['my key is sk-abcdefgh12345678', 'my key is [redacted]'],
    ['Authorization: Bearer abc.def', 'Authorization: [redacted]'],
    ['call +49 (30) 1234 5678', 'call [redacted]'],
    ['2 + 2 = 4, in 2026, at 3.14159265358979', '2 + 2 = 4, in 2026, at 3.14159265358979'],
  ])('%s', (text, kept) => {
    expect(redactText(text)).toBe(kept);
  });

  it('hides fields by name at any depth, and looks into every text', () => {
    const value = { user: 'ada', messages: [{ content: 'a@b.example', meta: { SSN: 123 } }], n: 1 };
    expect(redact(value, new Set(['user', 'ssn']))).toEqual({
      user: '[redacted]',
      messages: [{ content: '[redacted]', meta: { SSN: '[redacted]' } }],
      n: 1,
    });
  });

  it('takes a long text of nothing but beginnings in its stride', () => {
    for (const part of ['a.', 'eyJ', '+1 ', '1 ', 'DE89 ', 'a@b.', 'Bearer '])
      expect(typeof redactText(part.repeat(20_000))).toBe('string');
  });
});

describe('a payload log', () => {
  const ask = { model: 'chat', messages: [{ role: 'user', content: 'I am a@b.example' }], user: 'ada' };
  const sampled = async (sample: number, random = 0.5) => {
    const engine = await createFakeEngine(completeWith(['to ', 'a@b', '.example']));
    const kept: PayloadRecord[] = [];
    const harness = await createGatewayHarness({
      onPayload: (record) => kept.push(record),
      random: () => random,
    });
    harness.gateway.setRoutes('acme', [{ ...chatRoute(engine), payloads: { sample, redact: ['user'] } }]);
    return {
      kept,
      harness,
      [Symbol.asyncDispose]: async () => {
        await harness[Symbol.asyncDispose]();
        await engine[Symbol.asyncDispose]();
      },
    };
  };

  it('holds what was asked and answered, redacted, with who and how it ended', async () => {
    await using setup = await sampled(1);
    await (await setup.harness.post('/v1/chat/completions', ask)).text();
    await (await setup.harness.post('/v1/chat/completions', { ...ask, stream: true })).text();
    await until(() => setup.kept.length === 2);
    const [whole, streamed] = setup.kept;
    expect(whole).toMatchObject({
      tenantId: 'acme',
      path: '/v1/chat/completions',
      status: 200,
      request: { json: { user: '[redacted]', messages: [{ content: 'I am [redacted]' }] } },
      answer: { json: { choices: [{ message: { content: 'to [redacted]' } }] } },
    });
    expect(streamed?.answer.text).toBe('to [redacted]');
    expect(JSON.stringify(setup.kept)).not.toMatch(/ada|b\.example/);
  });

  it('takes its share of the requests, and of what is too large only the size', async () => {
    await using none = await sampled(0.4);
    await (await none.harness.post('/v1/chat/completions', ask)).text();
    expect(none.kept).toEqual([]);
    await using some = await sampled(0.6);
    const large = { ...ask, messages: [{ role: 'user', content: 'x'.repeat(100_000) }] };
    await (await some.harness.post('/v1/chat/completions', large)).text();
    await until(() => some.kept.length === 1);
    expect(some.kept[0]?.request).toEqual({ bytes: expect.any(Number) });
  });
});
