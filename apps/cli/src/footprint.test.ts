import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { footprintOf, isDataDir } from './footprint.ts';

const home = mkdtempSync(join(tmpdir(), 'gantry-footprint-'));
const sockets = join(tmpdir(), 'gantry-pg-0123456789ab');
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
  rmSync(sockets, { recursive: true, force: true });
});

function dataDir(name: string, outside: readonly string[]): string {
  const path = join(home, name);
  mkdirSync(join(path, 'keys'), { recursive: true });
  writeFileSync(join(path, 'outside.list'), outside.map((line) => `${line}\n`).join(''));
  return path;
}

describe('what a platform made', () => {
  test('is its data directory and what it noted elsewhere, and all of it goes', () => {
    mkdirSync(sockets, { recursive: true });
    writeFileSync(join(sockets, 'x'), 'abc');
    const dir = dataDir('one', [sockets, '/tmp/gantry-pg-ffffffffffff']);
    const traces = footprintOf(dir);
    expect(traces.map(({ path, what, bytes }) => [path, what, bytes])).toEqual([
      [sockets, 'sockets', 3],
      [dir, 'data: keys, outside.list', Buffer.byteLength(`${sockets}\n/tmp/gantry-pg-ffffffffffff\n`)],
    ]);
    for (const trace of traces) trace.remove();
    expect([existsSync(sockets), existsSync(dir)]).toEqual([false, false]);
  });

  test.each([
    '/',
    '/etc',
    '/tmp',
    '../../etc',
    '/tmp/gantry-pg-0123456789ab/../../etc',
    '/var/lib/gantry-databases',
    home,
  ])('is never %s, whatever the list says', (path) => {
    const dir = dataDir('two', [path]);
    expect(footprintOf(dir).map((trace) => trace.path)).toEqual([dir]);
  });

  test('is nothing where nothing is', () => {
    expect(footprintOf(join(home, 'nowhere'))).toEqual([]);
  });
});

test('a folder that is no data directory is not taken for one', () => {
  mkdirSync(join(home, 'photos'));
  writeFileSync(join(home, 'photos', 'cat.jpg'), '');
  expect(isDataDir(join(home, 'photos'))).toBe(false);
  expect(isDataDir('/')).toBe(false);
  expect(isDataDir(dataDir('three', []))).toBe(true);
});
