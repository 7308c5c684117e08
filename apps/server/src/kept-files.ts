/** Folders below the data directory that outlive what made them (control's `KeptFiles`). */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoundFolder, KeptFiles } from '@gantry/control';

export function createKeptFiles(dataDir: string): KeptFiles {
  const runs = join(dataDir, 'runs');
  const cache = join(dataDir, 'cache');
  return {
    runs: () => foldersIn(runs),
    removeFromRun: async (jobId, names) => {
      let freed: number | undefined;
      for (const name of names) {
        const path = join(runs, jobId, name);
        const isThere = await stat(path).then(
          () => true,
          () => false,
        );
        if (isThere) freed = (freed ?? 0) + (await removeTree(path));
      }
      return freed;
    },
    modelCaches: () => foldersIn(cache),
    removeModelCache: (versionId) => removeTree(join(cache, versionId)),
  };
}

/** Removes a folder with all that is in it; answers the bytes its files had. Links are removed, not followed. */
export async function removeTree(path: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isFile())
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  await rm(path, { recursive: true, force: true });
  return bytes;
}

async function foldersIn(dir: string): Promise<readonly FoundFolder[]> {
  const folders: FoundFolder[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    const info = await stat(join(dir, entry.name)).catch(() => undefined);
    if (info !== undefined) folders.push({ id: entry.name, modifiedMs: info.mtimeMs });
  }
  return folders;
}
