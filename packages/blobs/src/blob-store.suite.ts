/** What every blob store keeps, wherever its bytes lie. */
import type { BlobStore } from '@gantry/ports';
import { describe, expect, it } from 'vitest';

const from = async function* (...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
};
const read = async (blob: AsyncIterable<Uint8Array>): Promise<string> =>
  Buffer.concat(await Array.fromAsync(blob)).toString();
const absent = `sha256:${'0'.repeat(64)}`;

export function blobStoreSuite(name: string, fresh: () => BlobStore): void {
  describe(`${name} as a blob store`, () => {
    it('gives back what was put, whole and in part', async () => {
      const blobs = fresh();
      const { digest, bytes } = await blobs.put(from('hello ', 'world'));
      expect(bytes).toBe(11);
      expect(await read(await blobs.get(digest))).toBe('hello world');
      expect(await read(await blobs.get(digest, { fromByte: 6 }))).toBe('world');
      expect(await read(await blobs.get(digest, { fromByte: 2, lengthBytes: 3 }))).toBe('llo');
      expect(await read(await blobs.get(digest, { fromByte: 2, lengthBytes: 0 }))).toBe('');
      expect(await read(await blobs.get(digest, { fromByte: 99 }))).toBe('');
    });

    it('refuses a range that is none', async () => {
      const blobs = fresh();
      const { digest } = await blobs.put(from('x'));
      await expect(blobs.get(digest, { fromByte: -1 })).rejects.toMatchObject({ code: 'validation_failed' });
    });

    it('stores nothing as well as something', async () => {
      const blobs = fresh();
      const { digest } = await blobs.put(from());
      expect(await blobs.stat(digest)).toMatchObject({ bytes: 0 });
      expect(await read(await blobs.get(digest))).toBe('');
    });

    it('takes the same bytes from many at once and keeps them once', async () => {
      const blobs = fresh();
      const all = await Promise.all(Array.from({ length: 16 }, () => blobs.put(from('same'))));
      expect(new Set(all.map(({ digest }) => digest)).size).toBe(1);
      expect(await Array.fromAsync(blobs.list())).toEqual([all[0]?.digest]);
    });

    it('knows what it has, checks it, and forgets what is deleted', async () => {
      const blobs = fresh();
      const { digest } = await blobs.put(from('a'));
      expect(await blobs.has(digest)).toBe(true);
      expect(await blobs.verify(digest)).toBe('intact');
      expect(await blobs.delete(digest)).toBe(true);
      expect(await blobs.delete(digest)).toBe(true);
      expect(await blobs.has(digest)).toBe(false);
      expect(await blobs.stat(digest)).toBeUndefined();
      expect(await Array.fromAsync(blobs.list())).toEqual([]);
    });

    it('deletes what nobody needed since a moment, and nothing that was put or marked after it', async () => {
      const blobs = fresh();
      const usedAtMs = async (digest: string): Promise<number> =>
        (await blobs.stat(digest))?.usedAtMs ?? expect.fail('it is gone');
      const { digest } = await blobs.put(from('a'));
      expect(await blobs.delete(digest, { unusedSinceMs: await usedAtMs(digest) })).toBe(false);
      const weekAgoMs = Date.now() - 7 * 86_400_000;
      await blobs.markUsed(digest);
      expect(await usedAtMs(digest)).toBeGreaterThan(weekAgoMs);
      expect(await blobs.delete(digest, { unusedSinceMs: weekAgoMs })).toBe(false);
      expect(await blobs.delete(digest, { unusedSinceMs: (await usedAtMs(digest)) + 1 })).toBe(true);
      expect(await blobs.has(digest)).toBe(false);
      await blobs.markUsed(digest);
      expect(await blobs.has(digest)).toBe(false);
    });

    it('says not_found for what was never put', async () => {
      const blobs = fresh();
      await expect(blobs.get(absent)).rejects.toMatchObject({ code: 'not_found' });
      await expect(blobs.verify(absent)).rejects.toMatchObject({ code: 'not_found' });
    });
  });
}
