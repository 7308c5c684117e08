import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from './find-program.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-find-'));
  for (const name of ['closed', 'bin', 'bin/folder']) mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'bin', 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(dir, 'bin', 'text'), 'hello', { mode: 0o644 });
  writeFileSync(join(dir, 'closed', 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  symlinkSync('round', join(dir, 'bin', 'round'));
  chmodSync(join(dir, 'closed'), 0);
});
afterAll(() => {
  chmodSync(join(dir, 'closed'), 0o700);
  rmSync(dir, { recursive: true, force: true });
});

const find = (program: string, ...folders: readonly string[]): unknown =>
  findProgram(program, folders.map((folder) => join(dir, folder)).join(':'), dir);

describe('a program', () => {
  it('lies in the first folder of the PATH that has it, or where its own path says', () => {
    expect(find('tool', 'none', 'bin')).toEqual({ path: join(dir, 'bin', 'tool') });
    expect(find('bin/tool')).toEqual({ path: join(dir, 'bin', 'tool') });
  });

  it.each([
    ['nobody', 'ENOENT'],
    ['', 'ENOENT'],
    ['folder', 'ENOENT'],
    ['round', 'ENOENT'],
    ['x'.repeat(300), 'ENOENT'],
    ['text', 'EACCES'],
    ['bin/none', 'ENOENT'],
    ['bin/tool/none', 'ENOENT'],
  ])('%j is none: %s', (program, code) => {
    expect(find(program, 'bin', 'bin/tool')).toEqual({ path: undefined, code });
  });

  it.skipIf(process.getuid?.() === 0)('is looked for beyond a folder that may not be looked into', () => {
    expect(find('tool', 'closed', 'bin')).toEqual({ path: join(dir, 'bin', 'tool') });
    expect(find('tool', 'closed')).toEqual({ path: undefined, code: 'ENOENT' });
    expect(find('closed/tool')).toEqual({ path: undefined, code: 'EACCES' });
  });
});
