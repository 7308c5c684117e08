/**
 * Waiting for a file that somebody fetches: it appears whole, or `PATH.failed` beside it says why it will not. A loader
 * thread waits standing still; a rank's own thread must not, for it is the one that asks.
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DataError } from './data-error.ts';

/** Whoever fetches tries for long by itself; when it does not even say that it failed, nobody fetches. */
const limitMs = 8 * 60 * 1000;
const lookEveryMs = 20;

const failureSchema = z.object({ message: z.string(), hint: z.string().optional(), isUsers: z.boolean() });

/** Blocks the thread. */
export function waitForFile(path: string): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; !isThere(path, waitedMs); waitedMs += lookEveryMs)
    Atomics.wait(sleeper, 0, 0, lookEveryMs);
}

export async function untilFile(path: string, signal?: AbortSignal): Promise<void> {
  for (let waitedMs = 0; !isThere(path, waitedMs); waitedMs += lookEveryMs) {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

function isThere(path: string, waitedMs: number): boolean {
  if (existsSync(path)) return true;
  const failure = readFailure(`${path}.failed`);
  if (failure !== undefined)
    throw new DataError(
      failure.isUsers ? 'data_missing' : 'data_unavailable',
      failure.message,
      failure.hint ?? 'The attempt is repeated from the last checkpoint.',
    );
  if (waitedMs < limitMs) return false;
  throw new DataError(
    'data_missing',
    `${path} was waited for during ${limitMs / 60_000} minutes.`,
    'Name it in onDemand of the volume that it lies on, or let the volume be fetched before the job starts.',
  );
}

function readFailure(path: string): z.infer<typeof failureSchema> | undefined {
  try {
    return failureSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
