import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Folder by folder: Node's `recursive` tries for ever where a file system knows its parent and still says ENOENT,
 * as /proc does.
 */
export function makeFolders(path: string, mode?: number): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  const parent = dirname(resolve(path));
  if (found === undefined && parent !== resolve(path)) makeFolders(parent, mode);
  mkdirSync(path, mode === undefined ? {} : { mode });
}
