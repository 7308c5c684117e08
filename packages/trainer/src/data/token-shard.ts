/**
 * A shard is raw little-endian token ids, u16 where the vocabulary allows it, without a header: what it
 * holds stands in the manifest, which is written last. A shard without its manifest does not exist.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TokenArray } from '@gantry/training/data';
import { DataError } from './data-error.ts';

export interface TokenShard {
  readonly path: string;
  readonly dtype: 'u16' | 'u32';
  readonly tokens: number;
  /** sha256 of the file, hexadecimal. */
  readonly digest: string;
}

/** The tokens of a shard, checked against its length and digest. */
export async function readTokens(shard: TokenShard): Promise<TokenArray> {
  const bytes = await readFile(shard.path).catch((cause: unknown) => {
    throw corrupt(shard, 'cannot be read', cause);
  });
  const width = shard.dtype === 'u16' ? 2 : 4;
  if (bytes.byteLength !== shard.tokens * width) throw corrupt(shard, `has ${bytes.byteLength} bytes`);
  if (createHash('sha256').update(bytes).digest('hex') !== shard.digest)
    throw corrupt(shard, 'has other bytes');
  const aligned = new Uint8Array(bytes);
  return shard.dtype === 'u16' ? new Uint16Array(aligned.buffer) : new Uint32Array(aligned.buffer);
}

export function bytesOfTokens(tokens: TokenArray): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}

export function packTokens(ids: readonly number[], dtype: TokenShard['dtype']): TokenArray {
  return dtype === 'u16' ? Uint16Array.from(ids) : Uint32Array.from(ids);
}

function corrupt(shard: TokenShard, what: string, cause?: unknown): DataError {
  return new DataError(
    'data_corrupt',
    `The token shard ${shard.path} ${what}, not what its manifest says.`,
    'Remove the prepared data folder; it is made again from the text.',
    cause,
  );
}
