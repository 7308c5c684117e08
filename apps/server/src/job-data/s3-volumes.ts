/** Prefixes of S3 as folders of this node (control's `S3Volumes`). */
import { rm } from 'node:fs/promises';
import { type ObjectCache, fetchVolume, isFetched, storeVolume } from '@gantry/blobs/s3';
import type { S3Volumes } from '@gantry/control';
import { type S3Access, s3Problem } from './s3-access.ts';

export function createS3Volumes(access: S3Access, cache: ObjectCache): S3Volumes {
  return {
    problemWith: s3Problem,
    fetch: async (use, { signal, onProgress }) => {
      // A server that starts anew finds what the last one fetched; a rank may work in it already.
      if (await isFetched(use.dir)) return undefined;
      const settings = access.settingsOf(use);
      const scope = `${settings.endpoint} ${settings.credentials?.accessKeyId ?? 'anybody'}`;
      return access.using(settings, use.url, (bucket, address) =>
        fetchVolume(
          { bucket, address, dir: use.dir, isWritable: use.isWritable },
          { cache, scope, signal, onProgress },
        ),
      );
    },
    store: (use, signal) =>
      access.using(access.settingsOf(use), use.url, (bucket, address) =>
        storeVolume({ bucket, address, dir: use.dir, isWritable: use.isWritable }, signal),
      ),
    remove: (dir) => rm(dir, { recursive: true, force: true }),
  };
}
