/** Where a command's program lies, so that "not found" is said in words before anything is started. */
import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type FoundProgram =
  | { readonly path: string }
  | { readonly path: undefined; readonly code: 'ENOENT' | 'EACCES' };

export function findProgram(program: string, searchPath: string, cwd: string): FoundProgram {
  const places = program.includes('/')
    ? [resolve(cwd, program)]
    : program === ''
      ? []
      : searchPath.split(':').map((dir) => join(resolve(cwd, dir), program));
  let code: 'ENOENT' | 'EACCES' = 'ENOENT';
  for (const path of places) {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) continue;
    try {
      accessSync(path, constants.X_OK);
      return { path };
    } catch {
      code = 'EACCES';
    }
  }
  return { path: undefined, code };
}
