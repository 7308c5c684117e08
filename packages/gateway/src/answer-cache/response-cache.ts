/** Answers by exact request, least recently used out first, bounded in bytes. Tenants never share: the key has them. */
import { createHash } from 'node:crypto';

interface Entry {
  readonly body: Buffer;
  readonly expiresAtMs: number;
}

export class ResponseCache {
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** `scope`: tenant, endpoint and the revisions that answer; a rollout thereby empties the cache. */
  keyFor(scope: readonly string[], path: string, request: Buffer): string {
    return createHash('sha256')
      .update(JSON.stringify([...scope, path]))
      .update(request)
      .digest('base64');
  }

  get(key: string, nowMs: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAtMs <= nowMs) {
      this.#bytes -= entry.body.length;
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.body;
  }

  set(key: string, body: Buffer, expiresAtMs: number): void {
    // One answer may not push out all others.
    if (body.length > this.#maxBytes / 16) return;
    const known = this.#entries.get(key);
    if (known !== undefined) this.#bytes -= known.body.length;
    this.#entries.delete(key);
    this.#entries.set(key, { body, expiresAtMs });
    this.#bytes += body.length;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= entry.body.length;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }
}
