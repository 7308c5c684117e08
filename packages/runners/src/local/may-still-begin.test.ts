import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { mayStillBegin } from './may-still-begin.ts';
import { type WorkerFiles, claim, workerFiles } from './worker-files.ts';

const dir = mkdtempSync(join(tmpdir(), 'gantry-begin-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const longAfterMs = (): number => Date.now() + 3_600_000;

function claimedWorker(id: string): WorkerFiles {
  const files = workerFiles(dir, id);
  mkdirSync(files.dir);
  writeFileSync(files.spec, '{}');
  claim(`${files.spec}.claim`);
  return files;
}

it('a worker that was just claimed may still begin, though no process shows it', () => {
  const files = claimedWorker('fresh');
  expect(mayStillBegin(undefined, files)).toBe(true);
  expect(existsSync(files.begin)).toBe(false);
});

it('one that nobody brings up is given up for good: its shim could not begin any more', () => {
  const files = claimedWorker('abandoned');
  expect(mayStillBegin(undefined, files, longAfterMs())).toBe(false);
  expect(claim(files.begin)).toBe(false);
});

it.skipIf(process.platform !== 'linux')(
  'one whose shim of an earlier server still comes up is waited for, however long that takes',
  async () => {
    const files = claimedWorker('slow');
    const shim = spawn(process.execPath, ['-e', 'process.stdin.resume()', files.spec]);
    await new Promise((resolve) => shim.once('spawn', resolve));
    expect(mayStillBegin(undefined, files, longAfterMs())).toBe(true);
    expect(existsSync(files.begin)).toBe(false);
    const ended = new Promise((resolve) => shim.once('exit', resolve));
    shim.kill('SIGKILL');
    await ended;
    expect(mayStillBegin(undefined, files, longAfterMs())).toBe(false);
  },
);
