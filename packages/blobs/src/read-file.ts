/** The bytes of a blob out of its file: whole with the hash running along, or a part as it is. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { GantryError } from '@gantry/contract';
import type { BlobRange } from '@gantry/ports';

export function checkRange({ fromByte, lengthBytes }: BlobRange): void {
  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (!isWhole(fromByte) || (lengthBytes !== undefined && !isWhole(lengthBytes)))
    throw new GantryError('validation_failed', `${fromByte}+${lengthBytes ?? ''} is no range of bytes`, {
      hint: 'whole numbers from 0',
    });
}

export function partOfFile(path: string, range: BlobRange): AsyncIterable<Uint8Array> {
  checkRange(range);
  const { fromByte, lengthBytes } = range;
  if (lengthBytes === 0) return nothing();
  return createReadStream(path, {
    start: fromByte,
    ...(lengthBytes === undefined ? {} : { end: fromByte + lengthBytes - 1 }),
  }) as AsyncIterable<Uint8Array>;
}

export async function* nothing(): AsyncIterable<Uint8Array> {}

export async function* verifiedFile(path: string, digest: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Uint8Array);
    yield chunk as Uint8Array;
  }
  if (`sha256:${hash.digest('hex')}` !== digest)
    throw new GantryError('blob_corrupt', `the bytes of ${digest} are damaged where they are kept`, {
      hint: 'import or train the model again; check the disk',
    });
}
