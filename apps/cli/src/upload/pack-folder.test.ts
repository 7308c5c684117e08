import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packFolder } from './pack-folder.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-pack-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text, { mode: path.endsWith('.sh') ? 0o755 : 0o644 });
  }
}
const paths = (): readonly string[] => packFolder(dir).files.map(({ path }) => path);

describe('a folder that goes along with a job', () => {
  it('leaves out what its ignore files say, and what is never wanted', () => {
    write({
      'train.py': '1',
      'run.sh': '22',
      'data/big.bin': '3',
      'data/keep.txt': '4',
      'src/.gitignore': 'made/\n',
      'src/made/x': '5',
      'src/own.py': '6',
      '.gitignore': 'data/*\n!data/keep.txt\n',
      '.git/HEAD': '7',
      'node_modules/a/index.js': '8',
      'venv/bin/python': '9',
    });
    expect(paths()).toEqual([
      '.gitignore',
      'data/keep.txt',
      'run.sh',
      'src/.gitignore',
      'src/own.py',
      'train.py',
    ]);
    const folder = packFolder(dir);
    expect(folder.files.find(({ path }) => path === 'run.sh')?.isExecutable).toBe(true);
    expect(folder.files.find(({ path }) => path === 'train.py')?.isExecutable).toBe(false);
  });

  it('obeys .gantryignore instead of .gitignore where there is one', () => {
    write({ 'a.txt': '1', 'b.txt': '2', '.gitignore': 'a.txt', '.gantryignore': 'b.txt' });
    expect(paths()).toEqual(['.gitignore', 'a.txt']);
  });

  it('names the links it leaves out', () => {
    write({ 'a.txt': '1' });
    symlinkSync('/etc/passwd', join(dir, 'b'));
    expect(packFolder(dir)).toMatchObject({ files: [{ path: 'a.txt' }], bytes: 1, links: ['b'] });
  });

  it('refuses what is no folder, and one that holds nothing', () => {
    expect(() => packFolder(join(dir, 'ghost'))).toThrow(expect.objectContaining({ code: 'data_missing' }));
    expect(() => packFolder(dir)).toThrow(expect.objectContaining({ code: 'data_missing' }));
  });
});
