/** Paths, folders and globs → files in a stable order. Hidden folders and node_modules are not data. */
import { glob, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { DataError } from './data-error.ts';

export interface FoundFile {
  /** As people name it: relative to the working directory where it lies below it. */
  readonly path: string;
  readonly absolutePath: string;
}

const maximumFiles = 1_000_000;

export async function findFiles(patterns: readonly string[], cwd: string): Promise<readonly FoundFile[]> {
  const found = new Map<string, FoundFile>();
  const add = (absolutePath: string): void => {
    const inside = relative(cwd, absolutePath);
    const isInside = !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
    found.set(absolutePath, { path: isInside ? inside : absolutePath, absolutePath });
    if (found.size > maximumFiles) {
      throw new DataError(
        'data_invalid',
        `More than ${maximumFiles} files match.`,
        'Join them into larger files.',
      );
    }
  };
  for (const pattern of patterns) {
    const literal = isAbsolute(pattern) ? pattern : join(cwd, pattern);
    const entry = await stat(literal).catch(() => undefined);
    let matched = false;
    if (entry?.isFile() === true) {
      add(literal);
      matched = true;
    } else {
      const isFolder = entry?.isDirectory() === true;
      const base = isFolder ? literal : cwd;
      const names = glob(isFolder ? '**/*' : pattern, {
        cwd: base,
        withFileTypes: true,
        exclude: isExcluded,
      });
      for await (const name of names) {
        if (!name.isFile()) continue;
        add(join(name.parentPath, name.name));
        matched = true;
      }
    }
    if (!matched) {
      throw new DataError(
        'data_missing',
        `No file matches ${JSON.stringify(pattern)} in ${cwd}.`,
        'Paths and globs are relative to the directory the job was submitted from; quote globs in the shell.',
      );
    }
  }
  return [...found.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function isExcluded(entry: { readonly name: string } | string): boolean {
  const name = typeof entry === 'string' ? entry : entry.name;
  return name === 'node_modules' || (name.startsWith('.') && name !== '.' && name !== '..');
}
