import { constants } from 'node:fs';
import { access, mkdir, readFile } from 'node:fs/promises';
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

export function createJobFiles(dataDir: string, blobs: BlobStore): JobFiles {
  return {
    namedVolume: async (tenantId, name) => {
      const dir = join(dataDir, 'volumes', tenantId, name);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      return dir;
    },
    nfsMountPoint: async (share) =>
      findNfsMount(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''), share),
    exists: isThere,
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
