/** Content-addressed bytes. A digest is `sha256:<hex>`; what is stored under it is what it names, or an error. */
export interface BlobStore {
  /** Resolves when the bytes are durable. */
  put(bytes: AsyncIterable<Uint8Array>): Promise<{ readonly digest: string; readonly bytes: number }>;
  /** Throws `not_found`. The stream fails with `blob_corrupt` at its end when the bytes are not what they were. */
  get(digest: string): Promise<AsyncIterable<Uint8Array>>;
  has(digest: string): Promise<boolean>;
  delete(digest: string): Promise<void>;
}
