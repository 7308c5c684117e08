/** A tool of the machine, run to its end: what it said last when it fails, its lines as they come for who wants them. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ToolEnd {
  /** Null when it could not be started or was killed. */
  readonly code: number | null;
  /** The lines that say what failed. */
  readonly complaint: string;
}

export type RunTool = (
  command: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly onLine?: (line: string) => void;
  },
) => Promise<ToolEnd>;

const keptLines = 200;

export const runTool: RunTool = async (command, args, { cwd, env, onLine }) => {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      onLine?.(line);
      if (line.trim() === '') return;
      lines.push(line.trim());
      if (lines.length > keptLines) lines.shift();
    });
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (cause) => {
      lines.push(cause.message);
      resolve(null);
    });
    child.once('close', resolve);
  });
  const errors = lines.filter((line) => /error/i.test(line)).slice(0, 3);
  return { code, complaint: (errors.length > 0 ? errors : lines.slice(-1)).join(' ') };
};
