/** The folders of a run's checkpoints: written aside, sealed, renamed; kept by number and by loss; cleared. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openManifest,
  sealManifest,
  type CheckpointManifest,
  type CheckpointState,
  type ShardRecord,
} from './checkpoint-manifest.ts';
import { blockBytes, isFileOfStep, shardRecordPath, spareFileName } from './shard-writer.ts';

export interface NamedCheckpoint {
  readonly path: string;
  readonly step: number;
  /** Of all its files, those it shares with others too. */
  readonly bytes: number;
  readonly digest: string;
}

export interface SavedCheckpoint extends NamedCheckpoint {
  /** What had to be written for it: blocks that have changed, packed or not. */
  readonly writtenBytes: number;
}

export interface FoundCheckpoint extends NamedCheckpoint {
  readonly manifest: CheckpointManifest;
}

export interface DamagedCheckpoint {
  readonly path: string;
  readonly reason: string;
}

const folderPattern = /^step-(\d{8,})$/;

export function checkpointPath(directory: string, step: number): string {
  return join(directory, `step-${String(step).padStart(8, '0')}`);
}

export function asidePath(directory: string, step: number): string {
  return `${checkpointPath(directory, step)}.part`;
}

/** Where files wait to be written over. */
export function sparePath(directory: string): string {
  return join(directory, '.spare');
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'w');
  await file.writeFile(text);
  await file.datasync();
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

/** Makes a checkpoint of what all ranks have written aside. */
export async function commitCheckpoint(
  directory: string,
  state: CheckpointState,
  layout: CheckpointManifest['layout'],
): Promise<SavedCheckpoint> {
  const aside = asidePath(directory, state.step);
  const ranks = layout.data * layout.tensor * layout.pipeline;
  const shards: ShardRecord[] = [];
  for (let rank = 0; rank < ranks; rank += 1) {
    const path = shardRecordPath(aside, rank);
    shards.push(JSON.parse(await readFile(path, 'utf8')) as ShardRecord);
    await rm(path);
  }
  const manifest: CheckpointManifest = {
    format: 'gantry-checkpoint/3',
    ...state,
    blockBytes,
    layout,
    shards,
  };
  const { text, digest } = sealManifest(manifest);
  await writeDurably(join(aside, 'manifest.json'), text);
  await syncDirectory(aside);
  const path = checkpointPath(directory, state.step);
  // Only a damaged folder can be in the way: complete ones are resumed from, and steps go up.
  await rm(path, { recursive: true, force: true });
  await rename(aside, path);
  await syncDirectory(directory);
  return { path, step: state.step, bytes: bytesOf(manifest), digest, writtenBytes: writtenBytesOf(manifest) };
}

/** Its manifest, verified; the shards are not read. Throws a sentence when it is no checkpoint. */
export async function openCheckpoint(path: string): Promise<FoundCheckpoint> {
  const text = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => {
    throw new Error('it has no manifest');
  });
  const { manifest, digest } = openManifest(text);
  return { path, step: manifest.step, bytes: bytesOf(manifest), digest, manifest };
}

/** All folders that look like checkpoints, newest first. */
export async function listCheckpoints(directory: string): Promise<{ step: number; path: string }[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .flatMap((name) => {
      const match = folderPattern.exec(name);
      return match === null ? [] : [{ step: Number(match[1]), path: join(directory, name) }];
    })
    .sort((one, other) => other.step - one.step);
}

export interface KeptCheckpoints {
  /** The newest so many. */
  readonly last: number;
  /** Of the others those of lowest loss. */
  readonly best: number;
  /** And all of steps that this divides. */
  readonly every: number | undefined;
}

/** Files of a checkpoint that goes are kept to be written over. */
export async function pruneCheckpoints(
  directory: string,
  { last, best, every }: KeptCheckpoints,
): Promise<void> {
  const all = await listCheckpoints(directory);
  const old = all.slice(last).filter(({ step }) => every === undefined || step % every > 0);
  const scored = await Promise.all(
    old.map(async ({ path }) => ({
      path,
      loss: (await openCheckpoint(path).catch(() => undefined))?.manifest.loss ?? Number.POSITIVE_INFINITY,
    })),
  );
  const kept = scored.toSorted((one, other) => one.loss - other.loss).slice(0, best);
  for (const { path } of old) {
    if (kept.some((one) => one.path === path)) continue;
    // Without its manifest it is no checkpoint any more; only then its files may be moved.
    await rm(join(path, 'manifest.json'), { force: true });
    const spare = sparePath(directory);
    await mkdir(spare, { recursive: true });
    for (const name of await readdir(path)) {
      const file = join(path, name);
      // A file that a later checkpoint has too is not ours to write over.
      if (name.endsWith('.bin') && (await stat(file)).nlink === 1)
        await rename(file, join(spare, spareFileName(name)));
    }
    await rm(path, { recursive: true, force: true });
  }
}

/** Clears what a killed save left, and files no save will write over. */
export async function clearLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (name.endsWith('.part') || name === '.spare')
      await rm(join(directory, name), { recursive: true, force: true });
  }
}

function bytesOf({ shards }: CheckpointManifest): number {
  return shards.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Files are named for the step that wrote them. */
function writtenBytesOf({ shards, step }: CheckpointManifest): number {
  return shards
    .flatMap(({ blocks }) => blocks)
    .filter(({ file }) => isFileOfStep(file, step))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}
