import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs';
import { GantryError } from '@gantry/contract';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses to run as root. Its own system user where we can make one, else `nobody`. */
export function systemOwner(): Owner {
  const lookUp = (name: string): Owner | undefined => {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`))
      ?.split(':');
    return line === undefined ? undefined : { uid: Number(line[2]), gid: Number(line[3]) };
  };
  const known = lookUp('gantry') ?? lookUp('postgres');
  if (known !== undefined) return known;
  try {
    execFileSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'gantry'], {
      stdio: 'ignore',
    });
  } catch {
    // no useradd here
  }
  const found = lookUp('gantry') ?? lookUp('nobody');
  if (found === undefined)
    throw new GantryError(
      'store_unavailable',
      'postgres cannot run as root and there is no other user here',
      { hint: 'start gantry as a normal user, or give DATABASE_URL' },
    );
  return found;
}

export function own(folder: string, owner: Owner | undefined): void {
  mkdirSync(folder, { recursive: true });
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  chmodSync(folder, 0o700);
}
