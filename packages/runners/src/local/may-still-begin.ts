/** Between the spawn of a shim and its first word its server may die, and the next one must judge what it finds. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { type WorkerFiles, claim } from './worker-files.ts';

/** A shim that another server spawned and that no process list shows yet is given this long. */
const beginWithinMs = 10_000;

/**
 * False means never: whoever says so has taken the right to begin. A shim of our own lives or does not; one of an
 * earlier server is looked for among the machine's processes, however slowly that machine brings it up.
 */
export function mayStillBegin(
  shim: ChildProcess | undefined,
  files: WorkerFiles,
  nowMs = Date.now(),
): boolean {
  if (shim !== undefined) return shim.exitCode === null && shim.signalCode === null;
  const claimedAtMs = statSync(`${files.spec}.claim`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const ageMs = nowMs - claimedAtMs;
  if (ageMs < beginWithinMs || isInSomeCommand(files.spec)) return true;
  return !claim(files.begin) && ageMs < 2 * beginWithinMs;
}

/** True while a process lives that was started with this argument; false where processes cannot be listed. */
function isInSomeCommand(argument: string): boolean {
  try {
    return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(argument));
  } catch {
    return false;
  }
}

/** Empty for a process that is gone, a zombie or a kernel thread. */
function commandOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
