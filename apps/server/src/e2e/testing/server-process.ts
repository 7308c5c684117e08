/** A server in a process of its own, as `gantry up` starts it: something that can be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Client, createClient } from '@gantry/sdk';

export interface ServerProcess {
  readonly pid: number;
  readonly url: string;
  readonly key: string;
  readonly client: Client;
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Everything the server logs. */
  readonly onLog?: (text: string) => void;
}

/** What a server that would not start said. */
export class NotStartedError extends Error {
  readonly exitCode: number | null;
  readonly stderr: string;
  constructor(exitCode: number | null, stderr: string) {
    super(`the server did not start (exit ${exitCode}): ${stderr}`);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }

  /** The last line of stderr is the error as JSON. */
  get told(): { readonly code?: string; readonly message?: string; readonly hint?: string } {
    try {
      return (JSON.parse(this.stderr.trim().split('\n').at(-1) ?? '') as { error: object }).error;
    } catch {
      return {};
    }
  }
}

export async function startServer(options: StartOptions): Promise<ServerProcess> {
  const main = join(import.meta.dirname, '..', '..', 'main.ts');
  const args = [
    main,
    '--data-dir',
    options.dataDir,
    '--port',
    String(options.port ?? 0),
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const exited = once(child, 'exit');
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-8_000);
    options.onLog?.(chunk.toString());
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url: string };
    const key = (await readFile(join(options.dataDir, 'keys', 'operator.key'), 'utf8')).trim();
    return {
      pid: child.pid ?? 0,
      url,
      key,
      client: createClient({ baseUrl: url, key }),
      end: async (signal) => {
        if (!hasEnded(child)) child.kill(signal);
        await exited;
      },
    };
  }
  await exited;
  throw new NotStartedError(child.exitCode, stderr);
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
