/**
 * Which database the files of a data directory belong to. To another one they all look like nobody's: a server that
 * was started on the wrong database must not clear them away.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** True when they are this database's, or nobody's yet: then they are from now on. */
export async function filesBelongTo(dataDir: string, databaseId: string): Promise<boolean> {
  const file = join(dataDir, 'files-of-database');
  try {
    await writeFile(file, `${databaseId}\n`, { flag: 'wx', mode: 0o644 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readFile(file, 'utf8')).trim() === databaseId;
  }
}
