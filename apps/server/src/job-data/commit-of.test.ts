import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { commitOf } from './commit-of.ts';

const commit = 'a'.repeat(40);
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-commit-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

it('is found from a folder below, on a branch', async () => {
  write('.git/HEAD', 'ref: refs/heads/main\n');
  write('.git/refs/heads/main', `${commit}\n`);
  write('src/deep/x', '');
  expect(await commitOf(join(dir, 'src/deep'))).toBe(commit);
});

it('is found detached, packed and in a worktree', async () => {
  write('detached/.git/HEAD', commit);
  expect(await commitOf(join(dir, 'detached'))).toBe(commit);
  write('packed/.git/HEAD', 'ref: refs/heads/main');
  write(
    'packed/.git/packed-refs',
    `# pack-refs\n${'b'.repeat(40)} refs/heads/other\n${commit} refs/heads/main\n`,
  );
  expect(await commitOf(join(dir, 'packed'))).toBe(commit);
  write('tree/.git', `gitdir: ${join(dir, 'packed/.git/worktrees/tree')}\n`);
  write('packed/.git/worktrees/tree/HEAD', 'ref: refs/heads/main');
  write('packed/.git/worktrees/tree/commondir', '../..\n');
  expect(await commitOf(join(dir, 'tree'))).toBe(commit);
});

it('is nothing outside of a repository, and in one that has no commit', async () => {
  expect(await commitOf(join(dir, 'ghost'))).toBeUndefined();
  write('empty/.git/HEAD', 'ref: refs/heads/main');
  expect(await commitOf(join(dir, 'empty'))).toBeUndefined();
});
