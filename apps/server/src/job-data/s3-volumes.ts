/** Prefixes of S3 as folders of this node (control's `S3Volumes`). */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LaterFiles,
  type ObjectCache,
  type S3Settings,
  fetchLater,
  fetchVolume,
  isFetched,
  readLater,
  removeLater,
  storeVolume,
} from '@gantry/blobs/s3';
import { type S3Volumes, s3DataKey } from '@gantry/control';
import { LyingPrefixes } from './lying-prefixes.ts';
import { type S3Access, s3Problem } from './s3-access.ts';

/** `bookFile`: which prefixes lie here. */
export function createS3Volumes(access: S3Access, cache: ObjectCache, bookFile: string): S3Volumes {
  const lying = new LyingPrefixes(bookFile, cache);
  /** By folder: what of it came on demand, and what may. */
  const arrived = new Map<string, Map<string, number>>();
  const later = new Map<string, LaterFiles>();
  const scopeOf = ({ endpoint, credentials }: S3Settings): string =>
    `${endpoint} ${credentials?.accessKeyId ?? 'anybody'}`;
  const laterOf = async (dir: string): Promise<LaterFiles> => {
    const known = later.get(dir) ?? (await readLater(dir)) ?? {};
    later.set(dir, known);
    return known;
  };
  return {
    problemWith: s3Problem,
    fetch: async (use, { signal, onProgress }) => {
      // A server that starts anew finds what the last one fetched; a rank may work in it already.
      if (await isFetched(use.dir)) return undefined;
      const settings = access.settingsOf(use);
      const scope = scopeOf(settings);
      const objects: [id: string, bytes: number][] = [];
      const onHeld = (id: string, bytes: number): void => void objects.push([id, bytes]);
      const done = await access.using(settings, use.url, (bucket, address) =>
        fetchVolume(
          {
            bucket,
            address,
            dir: use.dir,
            isWritable: use.isWritable,
            ...(use.onDemand === undefined ? {} : { onDemand: use.onDemand }),
          },
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
    fetchFile: async (use, path, signal) => {
      const files = await laterOf(use.dir);
      const object = Object.hasOwn(files, path) ? files[path] : undefined;
      if (object === undefined) return false;
      const settings = access.settingsOf(use);
      const id = await access.using(settings, use.url, (bucket) =>
        fetchLater(use.dir, [path, object], { bucket, cache, scope: scopeOf(settings), signal }),
      );
      const objects = arrived.get(use.dir) ?? new Map<string, number>();
      arrived.set(use.dir, objects.set(id, object.bytes));
      await lying.note(s3DataKey(use.url), [...objects]);
      return true;
    },
    removeFile: (use, path) => removeLater(use.dir, path),
    refuseFile: (use, path, refusal) => writeFile(join(use.dir, `${path}.failed`), JSON.stringify(refusal)),
    lyingHere: () => lying.here(),
    remove: async (dir) => {
      for (const each of later.keys()) if (each.startsWith(`${dir}/`)) later.delete(each);
      for (const each of arrived.keys()) if (each.startsWith(`${dir}/`)) arrived.delete(each);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
