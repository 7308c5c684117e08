/** The commit that is checked out around a folder, read from the repository's own files (gitrepository-layout(5)). */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';

const maxLevels = 40;

export async function commitOf(dir: string): Promise<string | undefined> {
  let folder = resolve(dir);
  for (let level = 0; level < maxLevels; level += 1) {
    const found = await headIn(folder);
    if (found !== undefined) return found;
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
  return undefined;
}

async function headIn(folder: string): Promise<string | undefined> {
  const gitDir = (await linkedGitDir(folder)) ?? join(folder, '.git');
  const head = await textOf(join(gitDir, 'HEAD'));
  const ref = head === undefined ? undefined : /^ref: (refs\/[^\0]+)$/.exec(head)?.[1];
  if (ref === undefined) return commitIn(head);
  // A worktree shares the references of its repository.
  const common = await textOf(join(gitDir, 'commondir'));
  const shared = common === undefined ? gitDir : resolve(gitDir, common);
  return (
    commitIn(await textOf(join(gitDir, ref))) ??
    commitIn(await textOf(join(shared, ref))) ??
    packed(await textOf(join(shared, 'packed-refs')), ref)
  );
}

/** In a worktree or submodule `.git` is a file that says where the repository lies. */
async function linkedGitDir(folder: string): Promise<string | undefined> {
  const path = /^gitdir: (.+)$/.exec((await textOf(join(folder, '.git'))) ?? '')?.[1];
  if (path === undefined) return undefined;
  return isAbsolute(path) ? path : join(folder, path);
}

const packed = (text: string | undefined, ref: string): string | undefined =>
  commitIn(
    text
      ?.split('\n')
      .find((line) => line.endsWith(` ${ref}`))
      ?.split(' ')[0],
  );

const commitIn = (text: string | undefined): string | undefined =>
  /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.exec(text ?? '')?.[0];

const textOf = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
