/** The command writes to its logs itself, so nothing blocks it; the shim looks after them from beside. */
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { createLogClock } from './log-clock.ts';

export interface KeptLogs {
  /** Descriptors open for reading and appending. */
  readonly stdout: number;
  readonly stderr: number;
  readonly limitBytes: number;
  /** Where it is noted how long they were when. */
  readonly clockFile: string;
}

/**
 * To be called a few times a second. A log past its limit keeps its first quarter and its newest quarter, with a line
 * between them that says how much is gone.
 */
export function createLogKeeper({ stdout, stderr, limitBytes, clockFile }: KeptLogs): () => void {
  const droppedBytes = new Map<number, number>();
  const clock = createLogClock(clockFile);

  const sizesNow = () => ({ stdout: fstatSync(stdout).size, stderr: fstatSync(stderr).size });

  /** A disk that is full must not end the worker: its log is then told from further back. */
  const note = (sizes: ReturnType<typeof sizesNow>): void => {
    try {
      clock.note(Date.now(), sizes);
    } catch {
      // the next note says it
    }
  };

  const dropMiddle = (log: number, size: number): void => {
    const quarter = Math.floor(limitBytes / 4);
    const newest = bytesBefore(log, size, Math.min(quarter, 64 * 1024 ** 2));
    const gone = (droppedBytes.get(log) ?? 0) + Math.max(0, size - quarter - newest.length);
    ftruncateSync(log, quarter);
    note(sizesNow());
    writeSync(
      log,
      `\n[gantry] the log passed ${limitBytes} bytes; about ${gone} bytes from its middle were dropped\n`,
    );
    writeSync(log, newest);
    droppedBytes.set(log, gone);
  };

  return () => {
    const sizes = sizesNow();
    note(sizes);
    if (sizes.stdout > limitBytes) dropMiddle(stdout, sizes.stdout);
    if (sizes.stderr > limitBytes) dropMiddle(stderr, sizes.stderr);
  };
}

/** The `count` bytes before `end`, or all there are. */
export function bytesBefore(descriptor: number, end: number, count: number): Buffer {
  const buffer = Buffer.alloc(Math.min(end, count));
  const got = readSync(descriptor, buffer, 0, buffer.length, end - buffer.length);
  return buffer.subarray(0, got);
}
