import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ScratchDir extends AsyncDisposable {
  readonly path: string;
}

/** A folder that others may pass through: the database of a server run by root lies inside it and goes with it. */
export async function createScratchDir(name: string): Promise<ScratchDir> {
  const path = await mkdtemp(join(tmpdir(), `gantry-${name}-`));
  await chmod(path, 0o755);
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
