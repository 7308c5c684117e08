/** A server of its own for a bench, on a data directory that goes with it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  readonly pid: number;
  readonly readyMs: number;
}

export async function startServer(dataDir: string): Promise<Running> {
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../apps/server/src/main.ts'), '--data-dir', dataDir, '--port', '0'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) =>
      resolve((JSON.parse(chunk.toString()) as { url: string }).url),
    );
    child.on('exit', () => reject(new Error('the server ended before it was ready')));
  });
  return {
    url,
    key: readFileSync(join(dataDir, 'keys', 'operator.key'), 'utf8').trim(),
    pid: child.pid ?? 0,
    readyMs: performance.now() - startedMs,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        child.on('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

export async function withDataDir<T>(fn: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  try {
    return await fn(dataDir);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
