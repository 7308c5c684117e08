/** One server a data directory: the lock names its owner, and an owner that died gives way. */
import { link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { GantryError } from '@gantry/contract';

export interface DataDir extends AsyncDisposable {
  readonly path: string;
}

export async function claimDataDir(path: string): Promise<DataDir> {
  try {
    await makeFolders(resolve(path), 0o755);
    // What jobs, models and keys are is for the server's user alone; the folder itself lets Postgres' user through.
    for (const folder of ['runs', 'workers', 'blobs', 'keys', 'logs'])
      await makeFolders(join(path, folder), 0o700);
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
  await takeLock(path, lockFile);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(join(path, 'server.json'), { force: true });
      await rm(lockFile, { force: true });
    },
  };
}

/** The lock appears with its owner's name in it, or not at all: nobody can take half a lock for a dead one's. */
async function takeLock(path: string, lockFile: string): Promise<void> {
  const mine = `${lockFile}.${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  await writeFile(mine, `${process.pid} ${await startTimeOf(process.pid)}`);
  try {
    while (!(await isLinked(mine, lockFile))) {
      const text = await readFile(lockFile, 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const [pid = '0', startTime = ''] = text.split(' ');
      if (Number(pid) > 0 && startTime !== '' && (await startTimeOf(Number(pid))) === startTime) {
        throw new GantryError('data_dir_held', `${path} is held by another gantry (pid ${pid})`, {
          hint: 'use it: gantry status; or start another: gantry up --port 7071 --data-dir DIR',
        });
      }
      await removeDead(lockFile, text, `${mine}.dead`);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(error.code ?? '')) throw error;
      // A file system without hard links: the name appears a moment before what is in it.
      await writeFile(to, await readFile(from), { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moved aside before it is removed: where a living server took the place meanwhile, its lock goes back. */
async function removeDead(lockFile: string, text: string, aside: string): Promise<void> {
  try {
    await rename(lockFile, aside);
    if ((await readFile(aside, 'utf8')) !== text) await isLinked(aside, lockFile);
    await rm(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * Folder by folder: `recursive` tries for ever where a file system knows its parent and still says ENOENT, as
 * /proc does.
 */
async function makeFolders(path: string, mode: number): Promise<void> {
  const isThere = await stat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (isThere === true) return;
  if (isThere === undefined && dirname(path) !== path) await makeFolders(dirname(path), mode);
  await mkdir(path, { mode }).catch((error: NodeJS.ErrnoException) => {
    // Another server made it at the same moment, or a file is in the way: the next use tells.
    if (error.code !== 'EEXIST' || isThere === false) throw error;
  });
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
