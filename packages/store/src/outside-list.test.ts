import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { noteOutside, readOutside } from './outside-list.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('what is made outside the data directory is written down once; what is inside or installed is not', () => {
  noteOutside(folder, [
    join(folder, 'postgres'),
    '/app/node_modules/x/native',
    '/var/lib/gantry-databases/ab',
    '/tmp/gantry-pg-ab',
  ]);
  noteOutside(folder, ['/tmp/gantry-pg-ab', '/tmp/gantry-pg-cd']);
  expect(readOutside(folder)).toEqual([
    '/var/lib/gantry-databases/ab',
    '/tmp/gantry-pg-ab',
    '/tmp/gantry-pg-cd',
  ]);
});

test('a data directory that made nothing outside has no list', () => {
  expect(readOutside(join(folder, 'other'))).toEqual([]);
});
