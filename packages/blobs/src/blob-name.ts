/** A digest → where its bytes lie below the store: `sha256/ab/cdef…`, the same on disk and on S3. */
import { GantryError } from '@gantry/contract';

export function nameOfBlob(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined)
    throw new GantryError('validation_failed', `"${digest}" is no digest`, {
      hint: 'sha256: and 64 hex digits',
    });
  return `sha256/${hex.slice(0, 2)}/${hex.slice(2)}`;
}
