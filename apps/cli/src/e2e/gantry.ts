/** Runs the CLI as its users do: as a program, with a data directory and a home of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Bench extends AsyncDisposable {
  readonly home: string;
  readonly dataDir: string;
  /** `gantry …` on this bench's data directory. */
  readonly gantry: (...args: readonly string[]) => Promise<Ran>;
}

export interface BenchOptions {
  /** The data directory is the default one, not named on the command line. */
  readonly isDefault?: boolean;
}

export function createBench({ isDefault = false }: BenchOptions = {}): Bench {
  const home = mkdtempSync(join(tmpdir(), 'gantry-cli-'));
  const dataDir = join(home, 'data');
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, 'config'), NO_COLOR: '1' };
  for (const name of ['GANTRY_URL', 'GANTRY_KEY', 'GANTRY_DATA_DIR', 'GANTRY_CONTEXT', 'DATABASE_URL'])
    delete (env as Record<string, string | undefined>)[name];
  const where = isDefault ? [] : ['--data-dir', dataDir];
  if (isDefault) Object.assign(env, { GANTRY_DATA_DIR: dataDir });
  const main = join(import.meta.dirname, '..', 'main.ts');
  const gantry = (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [main, ...where, ...args], { env, cwd: home });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      child.on('close', (code) => resolve({ code, out, err }));
    });
  return {
    home,
    dataDir,
    gantry,
    [Symbol.asyncDispose]: async () => {
      await gantry('down', '--purge', '--yes');
      rmSync(home, { recursive: true, force: true });
    },
  };
}
