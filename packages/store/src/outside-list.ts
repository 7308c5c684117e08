/**
 * What a server makes outside its data directory is written down inside it, one path a line, so that
 * `gantry down --purge` can remove it and `gantry backup` can take the database along.
 */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';

const fileName = 'outside.list';

/** Call it before the paths are made: then nothing is ever made and forgotten. */
export function noteOutside(dataDir: string, paths: readonly string[]): void {
  const inside = resolve(dataDir) + sep;
  const known = new Set(readOutside(dataDir));
  const fresh = paths
    .map((path) => resolve(path))
    .filter((path) => !path.startsWith(inside) && !path.includes(`${sep}node_modules${sep}`))
    .filter((path) => !known.has(path) && !path.includes('\n'));
  if (fresh.length === 0) return;
  mkdirSync(dataDir, { recursive: true });
  appendFileSync(join(dataDir, fileName), fresh.map((path) => `${path}\n`).join(''), { mode: 0o600 });
}

export function readOutside(dataDir: string): readonly string[] {
  try {
    return readFileSync(join(dataDir, fileName), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
