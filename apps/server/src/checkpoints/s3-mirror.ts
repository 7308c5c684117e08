/** The newest checkpoints of a run on S3, below `<to>/<job id>/` (control's `CheckpointMirror`). */
import { mkdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { listVersions, mirrorVersion, restoreVersion } from '@gantry/blobs/s3';
import { GantryError } from '@gantry/contract';
import type { CheckpointMirror, MirrorUse } from '@gantry/control';
import { type S3Access, type S3Options, s3Problem } from '../job-data/s3-access.ts';
import { newestCheckpoint } from './newest-checkpoint.ts';

export function createS3Mirror(dataDir: string, options: S3Options, access: S3Access): CheckpointMirror {
  const runDir = (jobId: string): string => join(dataDir, 'runs', jobId);

  const using = <T>(
    { jobId, url = options.checkpoints ?? '', ...use }: MirrorUse,
    act: (place: Parameters<typeof listVersions>[0], root: string) => Promise<T>,
  ): Promise<T> => {
    const isOurs = use.secret === undefined && url === options.checkpoints;
    const settings = isOurs ? options.settings : access.settingsOf({ url, ...use });
    return access.using(settings, url, (bucket, { prefix }) =>
      act({ bucket, prefix: `${prefix}${jobId}/` }, runDir(jobId)),
    );
  };

  return {
    hasDefault: options.checkpoints !== undefined,
    problemWith: (url) =>
      url === options.checkpoints
        ? { message: 'that is where the server keeps them by itself', hint: 'leave checkpoint.to out' }
        : s3Problem(url),
    save: async (use, { keep, signal }) => {
      const root = runDir(use.jobId);
      const newest = await newestCheckpoint(root);
      if (newest === undefined) return undefined;
      const name = relative(root, newest.path).split(sep).join('/');
      return using(use, (place) =>
        mirrorVersion(place, { root, name, modifiedMs: Math.round(newest.modifiedMs), keep, signal }),
      );
    },
    restore: (use, signal) =>
      using(use, async (place, root) => {
        const here = await newestCheckpoint(root);
        for (const version of await listVersions(place)) {
          if (here !== undefined && Math.round(here.modifiedMs) >= version.modifiedMs) return undefined;
          try {
            await mkdir(root, { recursive: true });
            return await restoreVersion(place, version, root, signal);
          } catch (error) {
            // An older one that is whole is worth more than a newer one that is not.
            if (!(error instanceof GantryError && error.code === 'blob_corrupt')) throw error;
          }
        }
        return undefined;
      }),
  };
}
