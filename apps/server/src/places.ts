/** The server's folders and the small looks at the world that the rules ask for (control's `Places`). */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createWriteStream, existsSync, lstatSync } from 'node:fs';
import { GantryError } from '@gantry/contract';
import type { EngineOrigin, Places } from '@gantry/control';
import type { BlobStore } from '@gantry/ports';
import { readOwnFile } from '@gantry/runners';
import { noteOutside } from '@gantry/store';
import { newestCheckpoint } from './checkpoints/newest-checkpoint.ts';
import { engineStats } from './engine-stats.ts';
import { removeTree } from './kept-files.ts';
import { createModelFiles } from './models/model-files.ts';

/** A folder of ours that cannot lie in the data directory; `gantry down --purge` knows it once it is noted. */
const outside = (dataDir: string, purpose: string): string =>
  join(
    tmpdir(),
    `gantry-${purpose}-${createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 12)}`,
  );

/** What no worker sees but for its own part: our folders, and the keys of whoever runs the server. */
export function hiddenPlaces(dataDir: string): {
  readonly paths: readonly string[];
  readonly heldDir: string;
} {
  const heldDir = outside(dataDir, 'view');
  noteOutside(dataDir, [heldDir]);
  const config = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  const ours = [resolve(dataDir), outside(dataDir, 'rv'), outside(dataDir, 'gw')];
  return { paths: [...ours, join(config, 'gantry')], heldDir };
}

export function createPlaces(dataDir: string, blobs: BlobStore): Places {
  const runDir = (jobId: string): string => join(dataDir, 'runs', jobId);
  const modelDir = (versionId: string): string => join(dataDir, 'cache', versionId);
  /** What the worker sees of its folder. */
  const workerDir = (workerId: string): string => join(dataDir, 'workers', workerId, 'own');
  /** Where we say that a server of somebody else listens; it does not see this. */
  const announcementOf = (workerId: string): string => join(dataDir, 'workers', workerId, 'endpoint.json');
  // Sockets live outside a long data directory: a Unix socket's path ends at ~100 bytes.
  const inside = join(dataDir, 'rendezvous');
  const rendezvous = inside.length <= 57 ? inside : outside(dataDir, 'rv');
  const gateway = inside.length <= 57 ? join(dataDir, 'gateway') : outside(dataDir, 'gw');
  noteOutside(dataDir, [rendezvous, gateway]);
  const rendezvousDir = (attemptId: string): string => join(rendezvous, attemptId.slice(-12));

  return {
    workerDir,
    runDir,
    modelDir,
    rendezvousDir,
    gatewaySocket: () => join(gateway, 'gateway.sock'),
    prepareAttempt: async ({ jobId, attemptId, spec }) => {
      const attemptDir = join(runDir(jobId), 'attempts', attemptId);
      await mkdir(attemptDir, { recursive: true });
      await mkdir(rendezvousDir(attemptId), { recursive: true, mode: 0o700 });
      const specFile = join(attemptDir, 'spec.json');
      await writeFile(`${specFile}.tmp`, JSON.stringify(spec), { mode: 0o600 });
      await rename(`${specFile}.tmp`, specFile);
      return { specFile };
    },
    newestCheckpoint: async (jobId) => (await newestCheckpoint(runDir(jobId)))?.path,
    removeRun: (jobId) => removeTree(runDir(jobId)),
    removeRendezvous: (attemptId) => rm(rendezvousDir(attemptId), { recursive: true, force: true }),
    materialiseModel: async (versionId, files, main) => {
      const folder = modelDir(versionId);
      for (const { path, digest } of files) {
        const file = join(folder, path);
        if (relative(folder, file).startsWith('..'))
          throw new GantryError('data_invalid', `the model names a file outside itself: ${path}`);
        if (await exists(file)) continue;
        await mkdir(dirname(file), { recursive: true });
        const aside = `${file}.${process.pid}.tmp`;
        try {
          await pipeline(await blobs.get(digest), createWriteStream(aside));
          await rename(aside, file);
        } catch (error) {
          // What came of it would take the room that is missing.
          await rm(aside, { force: true });
          throw isDiskFull(error) ? noRoom(folder, error) : error;
        }
      }
      return join(folder, main);
    },
    engineOrigin: async (workerId) => {
      try {
        const announced = announcementOf(workerId);
        if (existsSync(announced)) return JSON.parse(readOwnFile(announced)) as EngineOrigin;
        // An engine of ours: it may lie, but about its own socket only.
        const text = readOwnFile(join(workerDir(workerId), 'endpoint.json'));
        const { socketPath } = JSON.parse(text) as { readonly socketPath?: unknown };
        if (typeof socketPath !== 'string') return undefined;
        return isOwnSocket(socketPath, workerDir(workerId)) ? { socketPath } : undefined;
      } catch {
        return undefined; // not there yet, or half written: the next look sees it whole
      }
    },
    announceEngine: async (workerId, origin) => {
      await mkdir(dirname(announcementOf(workerId)), { recursive: true, mode: 0o700 });
      await writeFile(announcementOf(workerId), `${JSON.stringify(origin)}\n`);
    },
    doorSocket: (workerId) => join(rendezvousDir(workerId), 'door.sock'),
    engineWarmMs: async (origin) => (await engineStats(origin))?.['warmMs'],
    engineHealth: (origin) =>
      new Promise((resolve) => {
        const probe = request({
          path: origin.healthPath ?? '/ready',
          timeout: 2_000,
          ...('socketPath' in origin
            ? { socketPath: origin.socketPath }
            : { host: '127.0.0.1', port: origin.port }),
        });
        probe.on('response', (response) => {
          response.resume();
          resolve(response.statusCode === 200 ? 'ready' : 'unready');
        });
        probe.on('timeout', () => probe.destroy());
        probe.on('error', () => resolve('unreachable'));
        probe.end();
      }),
    filesOf: createModelFiles({ hidden: hiddenPlaces(dataDir).paths, runDir }),
    freePort: () =>
      new Promise((resolve, reject) => {
        const server = createServer();
        server.on('error', reject);
        server.listen(0, '127.0.0.1', () => {
          const address = server.address();
          server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
        });
      }),
  };
}

/**
 * A worker says itself where it listens: it may name its own socket, not a neighbour's, which it does not see but we do.
 * A path that is too long for a socket has it in a folder of the engine's own in the temporary one.
 */
function isOwnSocket(socketPath: string, workerDir: string): boolean {
  const folder = dirname(socketPath);
  const isOwn = folder === workerDir || (dirname(folder) === tmpdir() && resolve(folder) === folder);
  const isNamed = isOwn && basename(socketPath) === 'engine.sock';
  return isNamed && lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket() === true;
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

const isDiskFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

const noRoom = (folder: string, cause: unknown): GantryError =>
  new GantryError('disk_full', `the disk has no room for the model at ${folder}`, {
    hint: 'free space on the data directory; the replica is tried again by itself',
    cause,
  });
