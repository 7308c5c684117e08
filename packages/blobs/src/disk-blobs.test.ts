import { globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobStoreSuite } from './blob-store.suite.ts';
import { createBlobStore } from './index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-blobs-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const from = async function* (...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
};
const read = async (blob: AsyncIterable<Uint8Array>): Promise<string> =>
  Buffer.concat(await Array.fromAsync(blob)).toString();

blobStoreSuite('disk', () => createBlobStore(dir));

describe('blobs on disk', () => {
  it('store the same bytes once, under their hash', async () => {
    const blobs = createBlobStore(dir);
    const one = await blobs.put(from('hel', 'lo'));
    expect(await blobs.put(from('hello'))).toEqual(one);
    expect(one).toEqual({
      digest: 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      bytes: 5,
    });
    expect(await read(await blobs.get(one.digest))).toBe('hello');
  });

  it('leave nothing behind when the source fails', async () => {
    const failing = async function* (): AsyncIterable<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error('source broke');
    };
    await expect(createBlobStore(dir).put(failing())).rejects.toThrow('source broke');
    expect(readdirSync(join(dir, 'incoming'))).toEqual([]);
  });

  it('that were begun by a server that died leave nothing behind', async () => {
    mkdirSync(join(dir, 'incoming'), { recursive: true });
    writeFileSync(join(dir, 'incoming', 'torn'), 'half');
    const { digest } = await createBlobStore(dir).put(from('whole'));
    expect(
      globSync('**/*', { cwd: dir, withFileTypes: true }).filter((entry) => entry.isFile()),
    ).toHaveLength(1);
    expect(await createBlobStore(dir).has(digest)).toBe(true);
  });

  it('refuse to pass on damaged bytes', async () => {
    const blobs = createBlobStore(dir);
    const { digest } = await blobs.put(from('hello'));
    writeFileSync(join(dir, globSync('sha256/*/*', { cwd: dir })[0] ?? ''), 'hellO');
    await expect(blobs.get(digest).then(read)).rejects.toMatchObject({ code: 'blob_corrupt' });
    expect(await blobs.verify(digest)).toBe('corrupt');
  });

  it.each(['sha256:../../etc/passwd', 'md5:abc', ''])('refuse %j as a digest', async (digest) => {
    await expect(createBlobStore(dir).get(digest)).rejects.toMatchObject({ code: 'validation_failed' });
  });
});
