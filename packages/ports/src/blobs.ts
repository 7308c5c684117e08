export interface BlobRange {
  readonly fromByte: number;
  /** Left out: to the end. */
  readonly lengthBytes?: number;
}

/** Content-addressed bytes. A digest is `sha256:<hex>`; what is stored under it is what it names, or an error. */
export interface BlobStore {
  /** Resolves when the bytes are durable. */
  put(bytes: AsyncIterable<Uint8Array>): Promise<{ readonly digest: string; readonly bytes: number }>;
  /**
   * Throws `not_found`. The stream of a whole blob fails with `blob_corrupt` at its end when the bytes are not what
   * they were; a range cannot be checked by itself.
   */
  get(digest: string, range?: BlobRange): Promise<AsyncIterable<Uint8Array>>;
  has(digest: string): Promise<boolean>;
  /** Undefined when there is no such blob. `usedAtMs`: when it was last put or marked. */
  stat(digest: string): Promise<{ readonly bytes: number; readonly usedAtMs: number } | undefined>;
  /** Says that it is needed now. A blob that is not there is passed over. */
  markUsed(digest: string): Promise<void>;
  /** Reads it all; throws `not_found`. */
  verify(digest: string): Promise<'intact' | 'corrupt'>;
  /** Every digest, in no order. */
  list(): AsyncIterable<string>;
  /** With `unusedSinceMs` only when it was neither put nor marked after that moment. Answers whether it is gone. */
  delete(digest: string, condition?: { readonly unusedSinceMs: number }): Promise<boolean>;
}
