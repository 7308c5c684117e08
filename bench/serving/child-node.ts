import { spawn, type ChildProcess } from 'node:child_process';

export interface ChildNode extends AsyncDisposable {
  readonly pid: number;
  /** The first line of JSON that it printed. */
  readonly hello: Record<string, unknown>;
}

/** A Node process that prints one line of JSON when it is ready. */
export const startNode = (args: readonly string[], env: Record<string, string> = {}): Promise<ChildNode> =>
  startProgram(process.execPath, args, env);

/** A program that prints one line of JSON when it is ready, or when it is done. */
export async function startProgram(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ChildNode> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const line = await firstLine(child);
  return {
    pid: child.pid ?? 0,
    hello: JSON.parse(line) as Record<string, unknown>,
    [Symbol.asyncDispose]: () => stop(child),
  };
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once('exit', (code) => {
      reject(new Error(`child ended with ${code} before it was ready`));
    });
  });
}
