/** A worker that is asked for one thing on this machine: the CLI itself loads no engine. */
import { spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

const entry = (): string =>
  join(import.meta.dirname, '..', '..', 'worker', 'src', `main${extname(import.meta.filename)}`);

export interface WorkerAnswer {
  readonly code: number | null;
  readonly said: string;
  /** The last line of its stderr. */
  readonly complaint: string;
}

export async function runWorker(
  kind: 'convert' | 'engines' | 'install' | 'probe',
  env: Readonly<Record<string, string>> = {},
  /** Of its stderr, as they come: how far it is. */
  onLine?: (line: string) => void,
): Promise<WorkerAnswer> {
  const child = spawn(process.execPath, [entry(), kind], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  if (onLine !== undefined) createInterface({ input: child.stderr }).on('line', onLine);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [said, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, said, complaint: errors.trim().split('\n').at(-1) ?? '' };
}
