import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventFrames } from './event-frames.ts';

async function* cutAt(text: string, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  for (const [at, place] of places.slice(1).entries()) yield bytes.subarray(places[at], place);
}

const framesOf = (text: string, cuts: readonly number[] = []) =>
  Array.fromAsync(eventFrames(cutAt(text, cuts)));

describe('events', () => {
  test.each(['\n', '\r\n', '\r'])('end their lines with %j, wherever the bytes are cut', async (end) => {
    const sent = [
      'event: a',
      'id: 7',
      'data: {"text":"né\u2028w"}',
      '',
      ': still there',
      '',
      'data: two',
      '',
    ];
    const text = sent.map((line) => `${line}${end}`).join('');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (cuts) => {
        expect(await framesOf(text, cuts)).toEqual([
          { event: 'a', id: '7', data: '{"text":"né\u2028w"}' },
          { event: 'message', id: undefined, data: 'two' },
        ]);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test('of several lines of data have them all', async () => {
    expect((await framesOf('data: one\ndata:two\ndata\n\n')).map(({ data }) => data)).toEqual(['one\ntwo\n']);
  });

  test('without data, or cut off by the end, are none', async () => {
    expect(await framesOf('event: ping\n\ndata: half\n')).toEqual([]);
  });

  test('of a body that is no stream of events are none', async () => {
    expect(await framesOf('<html>\n\n<body>a: b</body>\n\n')).toEqual([]);
  });
});
