/** What a killed server left of its Postgres: a postmaster on its way out, and files that say it still runs. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A postmaster that outlived its server (it should not) holds the data directory: it is asked to end first. */
export async function endLeftover(
  { data, socketDir, native }: { readonly data: string; readonly socketDir: string; readonly native: string },
  as: { uid?: number; gid?: number },
): Promise<void> {
  if (existsSync(join(data, 'postmaster.pid'))) askToEnd(data, native, as);
  if (process.platform !== 'linux') return;
  for (let tries = 0; isWorkedIn(data) && tries < 500; tries += 1)
    await new Promise((resolveWait) => setTimeout(resolveWait, 20));
  if (isWorkedIn(data)) return;
  // The number in a file left behind may be another process's by now, or one that nobody has buried yet:
  // Postgres would take either for its predecessor and refuse to start.
  rmSync(join(data, 'postmaster.pid'), { force: true });
  for (const name of readdirSync(socketDir))
    if (name.startsWith('.s.PGSQL.')) rmSync(join(socketDir, name), { force: true });
}

function askToEnd(data: string, native: string, as: { uid?: number; gid?: number }): void {
  const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  if (process.platform !== 'linux' || standsIn(String(pid), data)) {
    spawnSync(join(native, 'bin', 'pg_ctl'), ['stop', '-D', data, '-m', 'fast', '-t', '20'], {
      ...as,
      cwd: dirname(data),
    });
  }
}

/** Whether a living process stands in the folder, as the postmaster and all its backends do. */
export function isWorkedIn(folder: string): boolean {
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && standsIn(name, folder));
}

function standsIn(pid: string, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return false;
  }
}
