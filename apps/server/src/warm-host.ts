/**
 * Pre-warms this machine for its first replica, once a boot: a worker that loads every engine and ends leaves their code
 * in the compile cache that workers read, and their libraries in the page cache. A replica behind walls could not fill
 * that cache itself. Beside the server's work and at low priority: nothing waits for it.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';

const noted = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

export function warmHost(
  workerEntry: string,
  logger: Pick<Logger, 'info' | 'warn'>,
  cache: string | undefined = process.env['NODE_COMPILE_CACHE'],
): AsyncDisposable {
  const nothing: AsyncDisposable = { [Symbol.asyncDispose]: async () => undefined };
  if (cache === undefined || cache === '') return nothing;
  const marker = join(cache, 'warmed');
  const now = [process.version, workerEntry, noted('/proc/sys/kernel/random/boot_id').trim()].join('\n');
  if (noted(marker) === now) return nothing;
  const startedMs = performance.now();
  const child = spawn(process.execPath, [workerEntry, 'warm'], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', (code) => {
      if (code === 0) {
        mkdirSync(cache, { recursive: true });
        writeFileSync(marker, now);
        logger.info({ ms: Math.round(performance.now() - startedMs) }, 'this machine is warm for engines');
      } else if (!child.killed) logger.warn({ code }, 'this machine could not be warmed for engines');
      resolve();
    });
  });
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
