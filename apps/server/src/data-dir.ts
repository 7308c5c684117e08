/** One server a data directory: the lock names its owner, and an owner that died gives way. */
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '@gantry/contract';

export interface DataDir extends AsyncDisposable {
  readonly path: string;
}

export async function claimDataDir(path: string): Promise<DataDir> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
    for (const folder of ['runs', 'workers', 'blobs', 'keys', 'logs'])
      await mkdir(join(path, folder), { recursive: true });
  } catch (error) {
    throw new GantryError(
      'data_dir_not_writable',
      `${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      {
        hint: 'choose another with --data-dir DIR, or give this user the right to write there',
        cause: error,
      },
    );
  }
  const lockFile = join(path, 'server.lock');
  for (;;) {
    try {
      const handle = await open(lockFile, 'wx');
      await handle.writeFile(`${process.pid} ${await startTimeOf(process.pid)}`);
      await handle.close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const [pid = '0', startTime = ''] = (await readFile(lockFile, 'utf8').catch(() => '')).split(' ');
      if (Number(pid) > 0 && startTime !== '' && (await startTimeOf(Number(pid))) === startTime) {
        throw new GantryError('data_dir_held', `${path} is held by another gantry (pid ${pid})`, {
          hint: 'use it: gantry status; or start another: gantry up --port 7071 --data-dir DIR',
        });
      }
      await rm(lockFile, { force: true });
    }
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(join(path, 'server.json'), { force: true });
      await rm(lockFile, { force: true });
    },
  };
}

/** A process id alone may be somebody else's by now; with its start time it is one process for ever. */
async function startTimeOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text !== undefined) return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch {
    return '';
  }
}

export async function writeServerFile(dataDir: string, url: string): Promise<void> {
  const value = { pid: process.pid, url, startedAt: new Date().toISOString() };
  await writeFile(join(dataDir, 'server.json'), `${JSON.stringify(value)}\n`, { mode: 0o644 });
}
