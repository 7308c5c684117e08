/** Where the database lies: inside the data directory, unless the user who runs Postgres cannot get there. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { isWorkedIn } from './leftover.ts';
import type { Owner } from './system-owner.ts';

/** Beside the default data directory, not inside: removing that one must not take other servers' databases along. */
const outsideDatabases = '/var/lib/gantry-databases';
/** In a database's home outside: the data directory it belongs to. */
const ownerFile = 'data-directory';

export function reachableHome(dataDir: string, owner: Owner | undefined): string {
  const inside = join(resolve(dataDir), 'postgres');
  if (owner === undefined || isReachable(dirname(inside))) return inside;
  return join(outsideDatabases, digestOf(resolve(dataDir)));
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/**
 * Notes whose database lies outside in `home`, and removes those outside whose data directory was a temporary one
 * and is deleted: nobody can reach them any more. Elsewhere a missing directory may be a disk not mounted yet.
 */
export async function sweepForsaken(
  home: string,
  dataDir: string,
  outside: string = outsideDatabases,
): Promise<void> {
  if (dirname(home) !== outside) return;
  writeFileSync(join(home, ownerFile), resolve(dataDir));
  for (const name of readdirSync(outside)) {
    const other = join(outside, name);
    const owner = join(other, ownerFile);
    const of = existsSync(owner) ? readFileSync(owner, 'utf8') : '';
    if (!of.startsWith(tmpdir() + sep) || existsSync(of) || isWorkedIn(join(other, 'data'))) continue;
    await rm(other, { recursive: true, force: true });
  }
}

/** A Unix socket's path has about a hundred bytes. */
export function socketDirOf(home: string): string {
  const inside = join(home, 's');
  return inside.length <= 80 ? inside : join(tmpdir(), `gantry-pg-${digestOf(home)}`);
}

/** Every folder above lets others through. */
export function isReachable(path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/**
 * A restored backup brings its database inside the data directory, perhaps from a machine where the owner had
 * another number: it moves to where this machine keeps it, and belongs to who runs it here.
 */
export function adoptRestored(inside: string, home: string, owner: Owner | undefined): void {
  const [restored, data] = [join(inside, 'data'), join(home, 'data')];
  if (restored !== data && existsSync(join(restored, 'PG_VERSION')) && !existsSync(data)) {
    cpSync(restored, data, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    rmSync(inside, { recursive: true, force: true });
  }
  if (owner === undefined || !existsSync(data) || statSync(data).uid === owner.uid) return;
  lchownSync(data, owner.uid, owner.gid);
  for (const entry of readdirSync(data, { recursive: true, withFileTypes: true }))
    lchownSync(join(entry.parentPath, entry.name), owner.uid, owner.gid);
  chmodSync(data, 0o700);
}
