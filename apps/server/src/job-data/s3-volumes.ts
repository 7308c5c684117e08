/** Prefixes of S3 as folders of this node (control's `S3Volumes`). */
import { rm } from 'node:fs/promises';
import { type ObjectCache, fetchVolume, isFetched, storeVolume } from '@gantry/blobs/s3';
import { type S3Volumes, s3DataKey } from '@gantry/control';
import { type S3Access, s3Problem } from './s3-access.ts';

/** What is told to the scheduler: more would not fit into a snapshot that is kept. */
const mostTold = 200;

export function createS3Volumes(access: S3Access, cache: ObjectCache): S3Volumes {
  const here = new Set<string>();
  const noteHere = (url: string): void => {
    const key = s3DataKey(url);
    here.delete(key);
    here.add(key);
    const [oldest] = here;
    if (here.size > mostTold && oldest !== undefined) here.delete(oldest);
  };
  return {
    problemWith: s3Problem,
    fetch: async (use, { signal, onProgress }) => {
      // A server that starts anew finds what the last one fetched; a rank may work in it already.
      if (await isFetched(use.dir)) return undefined;
      const settings = access.settingsOf(use);
      const scope = `${settings.endpoint} ${settings.credentials?.accessKeyId ?? 'anybody'}`;
      const done = await access.using(settings, use.url, (bucket, address) =>
        fetchVolume(
          { bucket, address, dir: use.dir, isWritable: use.isWritable },
          { cache, scope, signal, onProgress },
        ),
      );
      noteHere(use.url);
      return done;
    },
    store: (use, signal) =>
      access.using(access.settingsOf(use), use.url, (bucket, address) =>
        storeVolume({ bucket, address, dir: use.dir, isWritable: use.isWritable }, signal),
      ),
    lyingHere: () => [...here],
    remove: (dir) => rm(dir, { recursive: true, force: true }),
  };
}
