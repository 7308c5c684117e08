/** One judgement by a foreign program: resolves with what it saw, rejects with what was wrong. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Platform } from './platform.ts';

export interface World {
  readonly python: string;
  /** Empty, of this check alone. */
  readonly dir: string;
  /** Booted at the first ask, shared by all checks. */
  platform(): Promise<Platform>;
}

export type Check = (world: World) => Promise<string>;

const run = promisify(execFile);

/** Runs a peer's script; its last line says what it saw, a failed assertion of its own is our error. */
export async function askPeer(
  world: World,
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    const { stdout } = await run(world.python, [join(import.meta.dirname, 'peers', script)], {
      env: { ...process.env, ...env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' },
      timeout: 600_000,
      maxBuffer: 2 ** 26,
    });
    return stdout.trim().split('\n').at(-1) ?? '';
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    const said = stderr.trim().split('\n').slice(-6).join('\n');
    throw new Error(`${script}: ${said === '' ? message : said}`, { cause: error });
  }
}
