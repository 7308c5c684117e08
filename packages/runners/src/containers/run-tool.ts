/** One call of the container tool: what it printed and how it ended, never an exception. */
import { execFile } from 'node:child_process';

export interface ToolAnswer {
  /** undefined when it was ended by a signal, ran out of time or could not be started. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export function runTool(
  path: string,
  args: readonly string[],
  options: {
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
    /** Beside the server's own, which tells the tool where its store is. */
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<ToolAnswer> {
  return new Promise((resolve) => {
    execFile(
      path,
      args,
      {
        encoding: 'utf8',
        maxBuffer: 4 * 1024 ** 2,
        timeout: options.timeoutMs ?? 0,
        killSignal: 'SIGKILL',
        env: { ...process.env, ...options.env },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** What it said last: the sentence that names the trouble. */
export const lastWords = ({ stderr }: ToolAnswer): string =>
  (stderr.trimEnd().split('\n').at(-1) ?? '').replace(/^(Error:|FATA\[\d+\])\s*/, '').slice(0, 1_000);

/** Whatever state it is in; nothing is said of one that is gone already. */
export const removeContainer = ({ path }: { readonly path: string }, name: string): Promise<ToolAnswer> =>
  runTool(path, ['rm', '--force', '--volumes', name]);
