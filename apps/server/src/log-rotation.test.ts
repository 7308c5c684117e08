import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { keepLogBounded } from './log-rotation.ts';

let folder: string;
let file: string;
let descriptor: number;
beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), 'gantry-log-'));
  file = join(folder, 'server.log');
  descriptor = openSync(file, 'a');
});
afterEach(() => {
  vi.useRealTimers();
  closeSync(descriptor);
  rmSync(folder, { recursive: true, force: true });
});

const options = () => ({ file, descriptor, limitBytes: 10, everyMs: 1_000 });

describe('the log of the server', () => {
  test('past its limit is moved aside, and appending goes on at the start', () => {
    using _kept = keepLogBounded(options());
    appendFileSync(descriptor, 'the first ten and more\n');
    vi.advanceTimersByTime(1_000);
    appendFileSync(descriptor, 'next\n');
    expect(readFileSync(file, 'utf8')).toBe('next\n');
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('the first ten and more\n');
    appendFileSync(descriptor, 'and more than ten again\n');
    vi.advanceTimersByTime(1_000);
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('next\nand more than ten again\n');
  });

  test('within its limit is left alone', () => {
    using _kept = keepLogBounded(options());
    appendFileSync(descriptor, 'short\n');
    vi.advanceTimersByTime(60_000);
    expect(readFileSync(file, 'utf8')).toBe('short\n');
  });

  test('that is somebody else’s is left alone', () => {
    rmSync(file);
    writeFileSync(file, 'not what our stderr is\n');
    using _kept = keepLogBounded(options());
    vi.advanceTimersByTime(60_000);
    expect(readFileSync(file, 'utf8')).toBe('not what our stderr is\n');
    expect(existsSync(`${file}.1`)).toBe(false);
  });
});
