/**
 * The files of a model as they lie on this machine, to be kept. An operator names what he likes; a job names what its
 * workers could see themselves, so what is hidden from them (decision 0401) is not there for what they report either.
 */
import { constants, createReadStream, type Stats } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { Places } from '@gantry/control';
import { inspectModelFile } from './inspect-model.ts';

const mostFiles = 10_000;

export interface ModelFilesOptions {
  /** Folders that no worker sees. */
  readonly hidden: readonly string[];
  /** The one in them that a job's workers see all the same. */
  readonly runDir: (jobId: string) => string;
}

export function createModelFiles({ hidden, runDir }: ModelFilesOptions): Places['filesOf'] {
  const seenBy = async (jobId: string): Promise<IsSeen> => {
    const [own, ...covered] = await Promise.all([runDir(jobId), ...hidden].map(real));
    return (path) => (own !== undefined && isIn(path, own)) || !covered.some((each) => isIn(path, each));
  };
  return async (path, of) => {
    const isSeen = of === undefined ? undefined : await seenBy(of.jobId);
    const info = await lookAt(path, isSeen);
    if (info === undefined)
      throw new GantryError('data_missing', `there is nothing at ${path}`, {
        hint: 'name a directory or a file on the server machine',
      });
    const paths = info.isFile()
      ? [path]
      : (await readdir(path, { recursive: true, withFileTypes: true }))
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name));
    if (paths.length > mostFiles)
      throw new GantryError('data_invalid', `${path} holds ${paths.length} files; a model has fewer`);
    return Promise.all(
      paths.sort().map(async (file) => ({
        path: info.isFile() ? basename(file) : relative(path, file),
        bytes: (await stat(file)).size,
        open: () => (isSeen === undefined ? createReadStream(file) : readSeen(file, isSeen)),
        inspect: () => inspectModelFile(file),
      })),
    );
  };
}

/** Of a path without links. */
type IsSeen = (path: string) => boolean;

async function lookAt(path: string, isSeen: IsSeen | undefined): Promise<Stats | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info === undefined || isSeen === undefined || isSeen(await real(path)) ? info : undefined;
}

/** What was opened is judged, not what its name led to a moment ago. */
async function* readSeen(file: string, isSeen: IsSeen): AsyncIterable<Uint8Array> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  await using handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const opened = await realpath(`/proc/self/fd/${handle.fd}`).catch(() => real(file));
  if (!isSeen(opened) || !(await handle.stat()).isFile())
    throw new GantryError('data_missing', `there is no file at ${file}`);
  yield* handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>;
}

const real = (path: string): Promise<string> => realpath(path).catch(() => path);
const isIn = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
