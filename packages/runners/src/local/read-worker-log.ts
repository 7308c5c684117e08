/** A worker's log as a stream, as far as it goes or as long as the worker lives. */
import { createReadStream, watch } from 'node:fs';
import type { LogQuery } from '@gantry/ports';
import { beginOfLastLines } from './last-lines.ts';
import { byteAt } from './log-clock.ts';
import { openOwnFile, ownFileBytes } from './own-file.ts';
import { type SpecRecord, readJson, type WorkerFiles } from './worker-files.ts';

export async function* readWorkerLog(files: WorkerFiles, query: LogQuery): AsyncIterable<Uint8Array> {
  const spec = readJson<SpecRecord>(files.spec);
  let offset = beginOf(files, query);
  let left = query.limitBytes ?? Infinity;
  for (;;) {
    const isOver = readJson(files.exit) !== undefined;
    const size = ownFileBytes(files[query.stream]);
    // Its middle was dropped while we followed: what was kept of its end is told (again) from there.
    if (size < offset && query.follow) offset = Math.min(size, Math.floor((spec?.logLimitBytes ?? 0) / 4));
    const end = Math.min(size, offset + left);
    if (end > offset) {
      for await (const chunk of createReadStream('', {
        fd: openOwnFile(files[query.stream]),
        start: offset,
        end: end - 1,
      })) {
        yield chunk as Uint8Array;
      }
      left -= end - offset;
      offset = end;
    }
    if (!query.follow || isOver || left <= 0 || query.signal.aborted) return;
    await nextChange(files.dir, query.signal);
  }
}

function beginOf(files: WorkerFiles, query: LogQuery): number {
  const { stream, sinceBytes, sinceMs, lastLines } = query;
  const file = files[stream];
  const size = ownFileBytes(file);
  return Math.max(
    sinceBytes,
    sinceMs === undefined ? 0 : Math.min(size, byteAt(files.logClock, stream, sinceMs)),
    lastLines === undefined ? 0 : beginOfLastLines(file, size, lastLines),
  );
}

/** Resolves at the next change in a folder, after a second at the latest (some file systems do not tell). */
function nextChange(dir: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dir, { persistent: false }, () => finish());
    const timer = setTimeout(() => finish(), 1_000);
    const finish = (): void => {
      clearTimeout(timer);
      watcher.close();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    watcher.on('error', finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}
