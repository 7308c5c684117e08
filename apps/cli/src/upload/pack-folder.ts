/**
 * The files of a folder that go along with a job: all but what .gantryignore (else .gitignore) leaves out, in any of
 * its folders, and what is never wanted. Links are left out: what they lead to is not of this folder.
 */
import { createReadStream, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TarFile } from '@gantry/formats/tar';
import { formatBytes, parseIgnoreRules } from '@gantry/kit';
import { CliError } from '../cli-error.ts';

export interface Folder {
  readonly files: readonly TarFile[];
  readonly bytes: number;
  readonly links: readonly string[];
}

interface Scope {
  /** Of the folder of the rules, with a slash at its end; '' for the top. */
  readonly base: string;
  readonly rules: ReturnType<typeof parseIgnoreRules>;
}

const limitBytes = 1024 ** 3;
const limitFiles = 100_000;
const never = parseIgnoreRules('.git/\n.gantryignore\nnode_modules/\n__pycache__/\n.venv/\nvenv/\n');

export function packFolder(dir: string): Folder {
  const root = resolve(dir);
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError('data_missing', `${dir} is no folder`, { hint: 'as in --upload .' });
  const files: TarFile[] = [];
  const links: string[] = [];
  let bytes = 0;
  const visit = (below: string, outer: readonly Scope[]): void => {
    const scopes = [...outer, ...scopeOf(root, below)];
    for (const entry of readdirSync(join(root, below), { withFileTypes: true }).sort(byName)) {
      const path = `${below}${entry.name}`;
      if (isIgnored(scopes, path, entry.isDirectory())) continue;
      if (entry.isDirectory()) visit(`${path}/`, scopes);
      else if (entry.isSymbolicLink()) links.push(path);
      else if (entry.isFile()) {
        const full = join(root, path);
        const { size, mode } = statSync(full);
        bytes += size;
        files.push({
          path,
          bytes: size,
          isExecutable: (mode & 0o111) !== 0,
          open: () => createReadStream(full) as AsyncIterable<Uint8Array>,
        });
        if (bytes > limitBytes || files.length > limitFiles) throw tooMuch(dir, files);
      }
    }
  };
  visit('', [{ base: '', rules: never }]);
  if (files.length === 0)
    throw new CliError('data_missing', `${dir} holds no file that would go along`, {
      hint: 'see .gantryignore or .gitignore in it',
    });
  return { files, bytes, links };
}

function scopeOf(root: string, below: string): readonly Scope[] {
  for (const name of ['.gantryignore', '.gitignore']) {
    try {
      return [{ base: below, rules: parseIgnoreRules(readFileSync(join(root, below, name), 'utf8')) }];
    } catch {
      // the next one, or none
    }
  }
  return [];
}

const isIgnored = (scopes: readonly Scope[], path: string, isFolder: boolean): boolean =>
  scopes.some(({ base, rules }) => rules.ignores(path.slice(base.length), isFolder));

const byName = (one: { name: string }, other: { name: string }): number => (one.name < other.name ? -1 : 1);

function tooMuch(dir: string, files: readonly TarFile[]): CliError {
  const largest = [...files].sort((one, other) => other.bytes - one.bytes).slice(0, 3);
  return new CliError(
    'body_too_large',
    `${dir} has more than ${formatBytes(limitBytes)} or ${limitFiles} files to upload`,
    {
      hint: `leave files out with .gantryignore; the largest: ${largest.map(({ path, bytes }) => `${path} (${formatBytes(bytes)})`).join(', ')}`,
    },
  );
}
