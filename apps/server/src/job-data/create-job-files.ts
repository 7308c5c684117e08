import { constants } from 'node:fs';
import { access, mkdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobFiles } from '@gantry/control';
import type { BlobStore } from '@gantry/ports';
import { collectFiles } from './collect-outputs.ts';
import { commitOf } from './commit-of.ts';
import { findNfsMount } from './nfs-mounts.ts';
import { inspectUpload, unpackUpload } from './uploads.ts';

const isThere = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );

/** `hiddenPaths`: folders that no job sees, so to a job nothing is there. */
export function createJobFiles(dataDir: string, blobs: BlobStore, hiddenPaths: readonly string[]): JobFiles {
  const isHidden = async (path: string): Promise<boolean> => {
    const real = await realpath(path);
    const hidden = await Promise.all(hiddenPaths.map((each) => realpath(each).catch(() => each)));
    return hidden.some((each) => real === each || real.startsWith(`${each}/`));
  };

  return {
    namedVolume: async (tenantId, name) => {
      const dir = join(dataDir, 'volumes', tenantId, name);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      return dir;
    },
    nfsMountPoint: async (share) =>
      findNfsMount(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''), share),
    exists: async (path) => (await isThere(path)) && !(await isHidden(path)),
    commitOf,
    canMountAt: async (target, workDir) => {
      if (target.startsWith(`${workDir}/`)) return true;
      const isBelowRoot = target.lastIndexOf('/') === 0;
      return isBelowRoot || (await isThere(target));
    },
    inspectUpload: (digest) => inspectUpload(blobs, digest),
    unpack: (digest, dir) => unpackUpload(blobs, digest, dir),
    collect: collectFiles,
  };
}
