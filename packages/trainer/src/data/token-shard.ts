/**
 * A shard is raw little-endian token ids, u16 where the vocabulary allows it, without a header, named by the digest
 * of its bytes: what it holds stands in the manifest, which is written last. A shard without its manifest does not
 * exist.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { TokenArray } from '@gantry/training/data';
import { DataError } from './data-error.ts';
import { writeAside } from './write-aside.ts';

export interface TokenShard {
  readonly path: string;
  readonly dtype: 'u16' | 'u32';
  readonly tokens: number;
  /** sha256 of the file, hexadecimal. */
  readonly digest: string;
  /** crc32 of each `shardBlockBytes`. */
  readonly blocks: readonly number[];
}

export const tokenBytes: Readonly<Record<TokenShard['dtype'], number>> = { u16: 2, u32: 4 };

/** Small enough that the first token of a shard is there soon, large enough that the sums stay few. */
export const shardBlockBytes = 256 * 1024;

export function packTokens(ids: readonly number[], dtype: TokenShard['dtype']): TokenArray {
  return dtype === 'u16' ? Uint16Array.from(ids) : Uint32Array.from(ids);
}

/** Equal tokens are one file, however often and for whatever they are prepared. */
export async function writeShard(directory: string, tokens: TokenArray): Promise<TokenShard> {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = `sha256-${digest}.bin`;
  const target = join(directory, path);
  const there = await stat(target).catch(() => undefined);
  if (there?.size !== bytes.byteLength) await writeAside(target, bytes);
  const blocks: number[] = [];
  for (let at = 0; at < bytes.length; at += shardBlockBytes)
    blocks.push(crc32(bytes.subarray(at, at + shardBlockBytes)));
  const dtype = tokens instanceof Uint16Array ? 'u16' : 'u32';
  return { path, dtype, tokens: tokens.length, digest, blocks };
}

export function corruptShard(shard: TokenShard, what: string, cause?: unknown): DataError {
  return new DataError(
    'data_corrupt',
    `The token shard ${shard.path} ${what}, not what its manifest says.`,
    'Remove the prepared data folder; it is made again from the text.',
    cause,
  );
}
