import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskStream } from './mask-stream.ts';

async function* inPieces(text: string, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
const masked = async (text: string, secrets: readonly string[], sizes = [1_000]): Promise<string> =>
  Buffer.concat(await Array.fromAsync(maskStream(inPieces(text, sizes), secrets))).toString();

describe('a log without its secrets', () => {
  it('hides every occurrence, however the log is cut into pieces, and keeps every offset', async () => {
    const secret = fc.constantFrom('hunter22', 'aaaa', 'abab', 'tok\nen');
    const part = fc.oneof(secret, fc.stringMatching(/^[abh \n]{0,9}$/));
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
        async (parts, sizes) => {
          const text = parts.join('');
          const result = await masked(text, ['hunter22', 'tok\nen'], sizes);
          expect(result).toBe(text.replaceAll('hunter22', '********').replaceAll('tok\nen', '******'));
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  it('leaves a log without secrets as it is', async () => {
    expect(await masked('1 + 1', ['1'], [2])).toBe('1 + 1');
  });

  it('tells what only began like a secret', async () => {
    expect(await masked('hunt', ['hunter22'], [1])).toBe('hunt');
  });
});
