/** Where a command's program lies, so that "not found" is said in words before anything is started. */
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type FoundProgram =
  | { readonly path: string }
  | { readonly path: undefined; readonly code: 'ENOENT' | 'EACCES' };

/** A folder of the PATH that may not be looked into (root's own, of a user with root's PATH) is passed over. */
export function findProgram(program: string, searchPath: string, cwd: string): FoundProgram {
  const places = program.includes('/')
    ? [resolve(cwd, program)]
    : program === ''
      ? []
      : searchPath.split(':').map((dir) => join(resolve(cwd, dir), program));
  let code: 'ENOENT' | 'EACCES' = 'ENOENT';
  for (const path of places) {
    const seen = look(path);
    if (seen === 'EACCES' && program.includes('/')) code = 'EACCES';
    if (typeof seen === 'string' || !seen.isFile()) continue;
    try {
      accessSync(path, constants.X_OK);
      return { path };
    } catch {
      code = 'EACCES';
    }
  }
  return { path: undefined, code };
}

function look(path: string): Stats | 'ENOENT' | 'EACCES' {
  try {
    return statSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'EACCES' : 'ENOENT';
  }
}
