import type { BlobStore } from '@gantry/ports';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { createPlaces } from './places.ts';

it('a full disk leaves nothing of a model’s files behind, says so, and is no matter once there is room', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'gantry-places-'));
  try {
    let isFull = true;
    const get = async (): Promise<Readable> =>
      Readable.from(
        (async function* () {
          yield Buffer.from('weights');
          if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        })(),
      );
    const places = createPlaces(dataDir, { get } as unknown as BlobStore);
    const files = [{ path: 'model.gguf', digest: 'sha256:0', bytes: 7 }];
    const layOut = () => places.materialiseModel('mv-1', files, 'model.gguf');
    await expect(layOut()).rejects.toMatchObject({ code: 'disk_full' });
    expect(await readdir(join(dataDir, 'cache', 'mv-1'))).toEqual([]);
    isFull = false;
    expect(await readFile(await layOut(), 'utf8')).toBe('weights');
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
