/**
 * A server that runs for years keeps a bounded log: past the limit it is copied aside, over the copy before, and cut.
 * Only where our stderr is that very file; a journal or a container's log has its own keeper.
 */
import { copyFileSync, fstatSync, ftruncateSync, statSync } from 'node:fs';

export interface LogRotationOptions {
  /** Opened for appending by whoever started us. */
  readonly file: string;
  readonly descriptor: number;
  readonly limitBytes: number;
  readonly everyMs: number;
}

export function keepLogBounded(options: LogRotationOptions): Disposable {
  const look = (): void => {
    if (isOurs(options)) rotate(options);
  };
  look();
  const timer = setInterval(look, options.everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function isOurs({ file, descriptor }: LogRotationOptions): boolean {
  const [open, named] = [fstatSync(descriptor), statSync(file, { throwIfNoEntry: false })];
  return open.isFile() && open.ino === named?.ino && open.dev === named.dev;
}

/** A line written between the copy and the cut is lost; nothing else is. */
function rotate({ file, descriptor, limitBytes }: LogRotationOptions): void {
  if (fstatSync(descriptor).size <= limitBytes) return;
  try {
    copyFileSync(file, `${file}.1`);
  } catch {
    // No room for a copy is no reason to let the log fill the rest.
  }
  ftruncateSync(descriptor, 0);
}
