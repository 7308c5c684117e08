import { createTokenizer } from '@gantry/training/tokenizer';
import { sentencePieceOf } from '@gantry/training/tokenizer/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopMatcher } from './stop-matcher.ts';
import { createTextStream } from './text-stream.ts';

const decode = (tokens: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(tokens));

describe('text of a stream', () => {
  it('never gives out part of a character, and all of it at the end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        const stream = createTextStream(decode);
        const pieces = Array.from(new TextEncoder().encode(text), (byte) => stream.push(byte));
        expect(pieces.join('') + stream.flush()).toBe(text.replace(/^\uFEFF/, ''));
        expect(pieces.join('')).not.toContain('\uFFFD');
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('keeps the space that an answer begins with, in the way of SentencePiece too', () => {
    const tokenizer = createTokenizer(sentencePieceOf(['▁the', '▁cat']));
    const stream = createTextStream((tokens) => tokenizer.decode(tokens, true));
    const pieces = tokenizer.encode('the cat').map((token) => stream.push(token));
    expect(pieces).toEqual([' the', ' cat']);
  });

  it('does not wait for ever for bytes that are no text', () => {
    const stream = createTextStream(decode);
    const pieces = Array.from({ length: 12 }, () => stream.push(0xff));
    expect(pieces.join('').length).toBeGreaterThan(8);
  });
});

describe('stop strings', () => {
  it('end the text at the same place however it is cut into pieces', () => {
    const characters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(characters),
        fc.array(characters, { minLength: 1, maxLength: 3 }),
        (pieces, stops) => {
          const whole = pieces.join('');
          const matcher = createStopMatcher(stops);
          let text = '';
          let isStopped = false;
          for (const piece of pieces) {
            const pushed = matcher.push(piece);
            text += pushed.text;
            isStopped = pushed.isStopped;
            if (isStopped) break;
          }
          if (!isStopped) text += matcher.flush();
          const contained = stops.filter((stop) => whole.includes(stop));
          expect(isStopped).toBe(contained.length > 0);
          expect(whole.startsWith(text)).toBe(true);
          if (!isStopped) expect(text).toBe(whole);
          for (const stop of contained) expect(text).not.toContain(stop);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});
