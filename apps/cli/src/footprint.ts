/**
 * Everything that a platform left on this machine: its data directory, what the server noted in
 * `outside.list` as made elsewhere, its service, and the CLI's own contexts. `gantry down --purge`
 * shows it and removes it; nothing is removed that is not on this list.
 */
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { removeUnit, unitsOf } from './service/service-files.ts';

export interface Trace {
  readonly path: string;
  readonly what: string;
  readonly bytes: number;
  readonly remove: () => void;
}

export function footprintOf(dataDir: string): readonly Trace[] {
  return [
    ...unitsOf(dataDir).map((unit) => ({
      ...folder(unit.file, `${unit.scope} service`),
      remove: () => removeUnit(unit),
    })),
    ...outsideOf(dataDir).map((path) => folder(path, describeOutside(path))),
    ...(existsSync(dataDir) ? [folder(dataDir, `data: ${readdirSync(dataDir).toSorted().join(', ')}`)] : []),
  ];
}

/** A single file or folder that goes as it is. */
export function folder(path: string, what: string): Trace {
  return {
    path,
    what,
    bytes: bytesOf(path),
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      removeEmptyParent(path);
    },
  };
}

/** Where the server says its database is when it is not inside the data directory. */
export function outsideDatabase(dataDir: string): string | undefined {
  return outsideOf(dataDir).find((path) => existsSync(join(path, 'data', 'PG_VERSION')));
}

/** A list in a folder that others may write must not make us remove anything else: only our own kinds of names count. */
function outsideOf(dataDir: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(join(dataDir, 'outside.list'), 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '' && isOurs(line) && existsSync(line))
    .filter((path) => basename(path) !== sharedBinaries || !isShared(path, text));
}

const databases = '/var/lib/gantry-databases';
const sharedBinaries = 'postgres-18';

function isOurs(path: string): boolean {
  if (resolve(path) !== path) return false;
  const parent = dirname(path);
  if (parent === databases) return true;
  const temporary = new Set([tmpdir(), '/tmp', existsSync('/tmp') ? realpathSync('/tmp') : '/tmp']);
  return temporary.has(parent) && /^gantry-(pg|rv)-[0-9a-f]{12}$/.test(basename(path));
}

/** The copied binaries serve every database beside them: they go with the last. */
function isShared(path: string, ownList: string): boolean {
  const own = new Set(ownList.split('\n'));
  return readdirSync(dirname(path)).some((name) => {
    const neighbour = join(dirname(path), name);
    return name !== sharedBinaries && !own.has(neighbour);
  });
}

const describeOutside = (path: string): string =>
  basename(path) === sharedBinaries
    ? 'Postgres binaries that its user can reach'
    : dirname(path) === databases
      ? 'database'
      : 'sockets';

function removeEmptyParent(path: string): void {
  const parent = dirname(path);
  if (parent !== databases) return;
  try {
    rmdirSync(parent);
  } catch {
    // others are still in it
  }
}

function bytesOf(path: string): number {
  try {
    const info = statSync(path);
    if (!info.isDirectory()) return info.size;
    return readdirSync(path, { recursive: true, withFileTypes: true }).reduce((sum, entry) => {
      if (!entry.isFile()) return sum;
      try {
        return sum + statSync(join(entry.parentPath, entry.name)).size;
      } catch {
        return sum;
      }
    }, 0);
  } catch {
    return 0;
  }
}

/** Refuses to treat a folder as a data directory that does not look like one: a wrong --data-dir must not cost a home. */
export function isDataDir(path: string): boolean {
  if (path === sep || !existsSync(path)) return false;
  const names = new Set(readdirSync(path));
  return (
    names.size === 0 || ['keys', 'server.lock', 'outside.list', 'postgres'].some((name) => names.has(name))
  );
}
