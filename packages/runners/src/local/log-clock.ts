/**
 * When which byte of a worker's log was written. The worker writes to the log itself, so its lines carry no time of
 * ours; the shim notes how long each log is as time goes by, and a reader finds a moment's place in these notes.
 */
import { appendOwnFile, readOwnFile } from './own-file.ts';

export interface LogSizes {
  readonly stdout: number;
  readonly stderr: number;
}

/** One second a note; a log that grows for hours is noted more coarsely, so the notes stay below a few MiB. */
const finest = { everyMs: 1_000, notes: 10_000 };
const coarsestMs = 60_000;

export interface LogClock {
  /** May be called more often than it notes. A log that shrank lost its middle: `sizes` say what was kept. */
  note(nowMs: number, sizes: LogSizes): void;
}

export function createLogClock(file: string): LogClock {
  let last: { readonly nowMs: number; readonly sizes: LogSizes } | undefined;
  let notes = 0;
  return {
    note: (nowMs, sizes) => {
      const everyMs = Math.min(coarsestMs, finest.everyMs * 10 ** Math.floor(notes / finest.notes));
      if (last?.sizes.stdout === sizes.stdout && last.sizes.stderr === sizes.stderr) return;
      const hasShrunk =
        last !== undefined && (sizes.stdout < last.sizes.stdout || sizes.stderr < last.sizes.stderr);
      if (last !== undefined && !hasShrunk && nowMs - last.nowMs < everyMs) return;
      appendOwnFile(file, `${nowMs} ${sizes.stdout} ${sizes.stderr}\n`);
      last = { nowMs, sizes };
      notes += 1;
    },
  };
}

/**
 * The byte from which on everything written at `sinceMs` or later stands; rather too early than too late (by one note,
 * and after a middle was dropped from where that began). A worker without notes is told whole.
 */
export function byteAt(file: string, stream: keyof LogSizes, sinceMs: number): number {
  const notes = readNotes(file);
  const after = notes.findIndex(({ atMs }) => atMs >= sinceMs);
  const before = notes.slice(0, after === -1 ? undefined : after).at(-1)?.sizes[stream] ?? 0;
  const later = after === -1 ? [] : notes.slice(after).map(({ sizes }) => sizes[stream]);
  return later.reduce((least, bytes) => Math.min(least, bytes), before);
}

function readNotes(file: string): readonly { readonly atMs: number; readonly sizes: LogSizes }[] {
  let text = '';
  try {
    text = readOwnFile(file);
  } catch {
    // a worker of before there were notes
  }
  return text.split('\n').flatMap((line) => {
    const [atMs, stdout, stderr] = line.split(' ').map(Number);
    if (atMs === undefined || stdout === undefined || stderr === undefined) return [];
    return [{ atMs, sizes: { stdout, stderr } }];
  });
}
