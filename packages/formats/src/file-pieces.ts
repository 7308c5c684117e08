/** A file that is made while it is written: it may be larger than the memory. */
export interface FilePieces {
  readonly bytes: number;
  /** In order of their places; made one by one. Between them are zeros. */
  pieces(): Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>;
}

/** All of it, for who has the memory. */
export function wholeFile(file: FilePieces): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(file.bytes);
  for (const { offset, bytes } of file.pieces()) whole.set(bytes, offset);
  return whole;
}
