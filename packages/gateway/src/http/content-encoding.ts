/**
 * Bodies that a client sends compressed (RFC 9110 §8.4). What they unfold to is bounded like any body: a bomb of a
 * few kilobytes is refused at the limit, not unfolded.
 */
import { brotliDecompress, inflate, unzip, type InputType, type ZlibOptions } from 'node:zlib';

type Unfold = (
  input: InputType,
  options: ZlibOptions,
  done: (error: NodeJS.ErrnoException | null, bytes: Buffer) => void,
) => void;

const unfolders: Readonly<Record<string, Unfold>> = {
  gzip: unzip,
  'x-gzip': unzip,
  deflate: inflate,
  br: brotliDecompress,
};

export type Unfolded =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Calls back exactly once; at once where nothing is compressed. */
export function unfold(
  bytes: Buffer,
  encoding: string | undefined,
  maxBytes: number,
  done: (outcome: Unfolded) => void,
): void {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === '' || name === 'identity') {
    done({ kind: 'bytes', bytes });
    return;
  }
  const unfolder = Object.hasOwn(unfolders, name) ? unfolders[name] : undefined;
  if (unfolder === undefined) {
    done({ kind: 'unreadable', detail: 'content-encoding may be gzip, deflate, br or none.' });
    return;
  }
  unfolder(bytes, { maxOutputLength: maxBytes }, (error, whole) => {
    if (error === null) done({ kind: 'bytes', bytes: whole });
    else if (error.code === 'ERR_BUFFER_TOO_LARGE') done({ kind: 'too-large' });
    else done({ kind: 'unreadable', detail: `The body is no whole ${name}.` });
  });
}
