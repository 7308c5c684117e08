/** Prefixes of S3 as folders of this node (control's `S3Volumes`). */
import { rm } from 'node:fs/promises';
import { type ObjectCache, fetchVolume, isFetched, storeVolume } from '@gantry/blobs/s3';
import { type S3Volumes, s3DataKey } from '@gantry/control';
import { LyingPrefixes } from './lying-prefixes.ts';
import { type S3Access, s3Problem } from './s3-access.ts';

/** `bookFile`: which prefixes lie here. */
export function createS3Volumes(access: S3Access, cache: ObjectCache, bookFile: string): S3Volumes {
  const lying = new LyingPrefixes(bookFile, cache);
  return {
    problemWith: s3Problem,
    fetch: async (use, { signal, onProgress }) => {
      // A server that starts anew finds what the last one fetched; a rank may work in it already.
      if (await isFetched(use.dir)) return undefined;
      const settings = access.settingsOf(use);
      const scope = `${settings.endpoint} ${settings.credentials?.accessKeyId ?? 'anybody'}`;
      const objects: [id: string, bytes: number][] = [];
      const onHeld = (id: string, bytes: number): void => void objects.push([id, bytes]);
      const done = await access.using(settings, use.url, (bucket, address) =>
        fetchVolume(
          { bucket, address, dir: use.dir, isWritable: use.isWritable },
          { cache, scope, signal, onProgress, onHeld },
        ),
      );
      await lying.note(s3DataKey(use.url), objects);
      return done;
    },
    store: (use, signal) =>
      access.using(access.settingsOf(use), use.url, (bucket, address) =>
        storeVolume({ bucket, address, dir: use.dir, isWritable: use.isWritable }, signal),
      ),
    lyingHere: () => lying.here(),
    remove: (dir) => rm(dir, { recursive: true, force: true }),
  };
}
