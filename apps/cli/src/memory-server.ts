/** The data directory of `gantry up --memory`: nothing of it is of use to another server, so nothing of it stays. */
import { existsSync, rmSync } from 'node:fs';
import { memoryDataDir, readServer } from './connection.ts';
import { endWorkers } from './end-workers.ts';
import { isDataDir } from './footprint.ts';

/** Ends the workers of a memory server that is no more and removes its files; false where there was nothing. */
export async function forgetMemoryServer(): Promise<boolean> {
  const dir = memoryDataDir();
  if (!existsSync(dir) || readServer(dir) !== undefined || !isDataDir(dir)) return false;
  await endWorkers(dir);
  rmSync(dir, { recursive: true, force: true });
  return true;
}
