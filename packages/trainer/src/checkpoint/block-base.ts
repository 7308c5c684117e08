/**
 * What a save may take from the save before: files of it are linked into the new folder, so each checkpoint is
 * whole by itself, may be copied or deleted alone, and the file system counts who still needs a file.
 */
import { link, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockPlace, ShardRecord } from './checkpoint-manifest.ts';

export interface EarlierShard {
  /** The checkpoint it belongs to. */
  readonly directory: string;
  readonly record: ShardRecord;
}

/** A file for a few blocks each would make folders of thousands. */
const mostFiles = 8;
/** Of a file's bytes; below that its blocks are written anew, so no checkpoint takes twice its size. */
const leastInUse = 0.5;

/** The files worth going on with, most used first. */
export function sharableFiles({ files, blocks }: ShardRecord): readonly string[] {
  const used = new Map<string, number>();
  for (const { file, bytes } of blocks) used.set(file, (used.get(file) ?? 0) + bytes);
  const usedOf = (path: string): number => used.get(path) ?? 0;
  return files
    .filter(({ path, bytes }) => usedOf(path) >= bytes * leastInUse)
    .toSorted((one, other) => usedOf(other.path) - usedOf(one.path))
    .slice(0, mostFiles)
    .map(({ path }) => path);
}

/**
 * By number of block: where the earlier save has it, once its file is linked into `directory`. After a way back a
 * step comes twice: what has the name of a file to be written now is left.
 */
export async function linkEarlier(
  earlier: EarlierShard | undefined,
  directory: string,
  isOwn: (path: string) => boolean,
): Promise<readonly (BlockPlace | undefined)[]> {
  if (earlier === undefined) return [];
  const linked = new Set<string>();
  for (const path of sharableFiles(earlier.record)) {
    if (isOwn(path)) continue;
    try {
      await link(join(earlier.directory, path), join(directory, path));
      linked.add(path);
    } catch {
      // Let go meanwhile, or a file system without links: then all is written.
    }
  }
  return earlier.record.blocks.map((place) => (linked.has(place.file) ? place : undefined));
}

/** Takes away what was linked and is not needed. */
export async function unlinkUnused(
  base: readonly (BlockPlace | undefined)[],
  blocks: readonly BlockPlace[],
  directory: string,
): Promise<void> {
  const needed = new Set(blocks.map(({ file }) => file));
  const linked = new Set(base.flatMap((place) => (place === undefined ? [] : [place.file])));
  for (const file of linked) if (!needed.has(file)) await rm(join(directory, file), { force: true });
}
