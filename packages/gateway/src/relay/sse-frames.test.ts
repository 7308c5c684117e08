import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseFrames } from './sse-frames.ts';

const usageFrame = 'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n';
const token = (text: string): string =>
  `data: ${JSON.stringify({ choices: [{ delta: { content: text } }], usage: null })}\n\n`;

describe('SseFrames', () => {
  it('says the same whatever way the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 10 }),
        fc.boolean(),
        fc.boolean(),
        (texts, cuts, stripUsage, crlf) => {
          const lines = (text: string): string => (crlf ? text.replaceAll('\n\n', '\r\n\r\n') : text);
          const tokens = texts.map((text) => lines(token(text)));
          const before = Buffer.from([...tokens, lines(usageFrame), lines('data: [DONE]\n\n')].join(''));
          const frames = new SseFrames({ stripUsage });
          const out: Buffer[] = [];
          let from = 0;
          for (const to of [
            ...cuts.filter((cut) => cut < before.length).sort((a, b) => a - b),
            before.length,
          ]) {
            out.push(frames.push(before.subarray(from, to)));
            from = to;
          }
          const expected = stripUsage ? [...tokens, lines('data: [DONE]\n\n')].join('') : before.toString();
          expect(Buffer.concat(out).toString()).toBe(expected);
          expect(frames).toMatchObject({
            tokenFrames: texts.length,
            isDone: true,
            usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 },
          });
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  it('keeps half a frame back and gives up on one without end', () => {
    const frames = new SseFrames({ stripUsage: false, maxFrameBytes: 100 });
    expect(frames.push(Buffer.from(`${token('a')}data: {"ha`)).toString()).toBe(token('a'));
    expect(frames.push(Buffer.alloc(200, 0x61))).toHaveLength(0);
    expect(frames.isOverflown).toBe(true);
  });

  it.each([
    '{"choices":[{"index":0}],"usage":{"prompt_tokens":2,"completion_tokens":3}}',
    '{"choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":{"prompt_tokens":2,"completion_tokens":3}}',
  ])(
    'keeps back a frame of usage that names its choices and says nothing of them, as LiteLLM’s: %s',
    (data) => {
      const frames = new SseFrames({ stripUsage: true });
      expect(frames.push(Buffer.from(`data: ${data}\n\n`))).toHaveLength(0);
      expect(frames).toMatchObject({ tokenFrames: 0, usage: { completionTokens: 3 } });
    },
  );

  it('counts no comment as a token', () => {
    const frames = new SseFrames({ stripUsage: false });
    expect(frames.push(Buffer.from(': ping\n\n')).toString()).toBe(': ping\n\n');
    expect(frames.tokenFrames).toBe(0);
  });

  /** As transformers' own server ends: reason and usage in one frame, and nothing behind it. */
  const lastOfTransformers =
    'data: {"choices":[{"finish_reason":"length","index":0,"text":""}],"usage":{"completion_tokens":1,"prompt_tokens":2,"total_tokens":3}}\n\n';

  it.each([
    ['says why it stopped', [token('a'), lastOfTransformers], true],
    ['says how much was used', [token('a'), usageFrame], true],
    ['is cut off', [token('a')], false],
    ['is cut off while it counts all along', [token('a').replace('null', '{"prompt_tokens":2}')], false],
    ['is cut off in its last frame', [token('a'), lastOfTransformers.slice(0, -9)], false],
    ['says nothing', [], false],
  ])('tells an answer without [DONE] that %s', (_what, sent, isWhole) => {
    const frames = new SseFrames({ stripUsage: true });
    for (const each of sent) frames.push(Buffer.from(each));
    expect(frames).toMatchObject({ isDone: false, isAnswerWhole: isWhole });
  });

  it.each(['data: [DONE]\n\n', 'data:[DONE]\n\n', 'data: [DONE]\r\n\r\n'])('reads %j', (end) => {
    const frames = new SseFrames({ stripUsage: false });
    expect(frames.push(Buffer.from(end)).toString()).toBe(end);
    expect(frames).toMatchObject({ isDone: true, tokenFrames: 0 });
  });
});
