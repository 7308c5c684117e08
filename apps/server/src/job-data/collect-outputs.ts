/** Files of a working directory that globs fit. What a link leads out of it is not part of it. */
import { createReadStream } from 'node:fs';
import { glob, lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { JobFiles } from '@gantry/control';

const maxFiles = 10_000;

export const collectFiles: JobFiles['collect'] = async (dir, patterns) => {
  const root = await realpath(dir);
  const paths = new Set<string>();
  const notes: string[] = [];
  for (const pattern of patterns) {
    const before = paths.size;
    let fits = 0;
    // A folder stands for everything in it.
    for (const each of [pattern, `${pattern.replace(/\/+$/, '')}/**`]) {
      for await (const path of glob(each, { cwd: root })) {
        if (paths.has(path)) fits += 1;
        if (await isOwnFile(root, path)) paths.add(path);
        if (paths.size > maxFiles)
          throw new GantryError('limit_exceeded', `the outputs are more than ${maxFiles} files`, {
            hint: 'pack them in the command, or name fewer',
          });
      }
    }
    if (paths.size === before && fits === 0) notes.push(`no output fits "${pattern}"`);
  }
  return {
    files: [...paths].sort().map((path) => ({
      path,
      open: () => createReadStream(join(root, path)) as AsyncIterable<Uint8Array>,
    })),
    notes,
  };
};

async function isOwnFile(root: string, path: string): Promise<boolean> {
  const full = join(root, path);
  const info = await lstat(full).catch(() => undefined);
  if (info === undefined) return false;
  const real = await realpath(full).catch(() => undefined);
  if (real === undefined || !real.startsWith(root + sep)) return false;
  return info.isFile() || (info.isSymbolicLink() && (await lstat(real)).isFile());
}
