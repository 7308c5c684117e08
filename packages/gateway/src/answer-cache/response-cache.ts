/** Answers by exact request, least recently used out first, bounded in bytes. Tenants share the room and nothing else. */
import { createHash } from 'node:crypto';
import { SharedRoom } from '../limits/shared-room.ts';

interface Entry {
  readonly body: Buffer;
  readonly expiresAtMs: number;
}

export class ResponseCache {
  readonly #room: SharedRoom<Entry>;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#room = new SharedRoom(maxBytes);
  }

  /** `scope`: tenant, endpoint and the revisions that answer; a rollout thereby empties the cache. */
  keyFor(scope: readonly string[], path: string, request: Buffer): string {
    return createHash('sha256')
      .update(JSON.stringify([...scope, path]))
      .update(request)
      .digest('base64');
  }

  get(tenantId: string, key: string, nowMs: number): Buffer | undefined {
    const entry = this.#room.get(tenantId, key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs <= nowMs) {
      this.#room.delete(tenantId, key);
      return undefined;
    }
    this.#room.touch(tenantId, key);
    return entry.body;
  }

  set(tenantId: string, key: string, body: Buffer, expiresAtMs: number): void {
    // One answer may not push out all others.
    if (body.length <= this.#maxBytes / 16) this.#room.set(tenantId, key, { body, expiresAtMs }, body.length);
  }

  get bytes(): number {
    return this.#room.bytes;
  }
}
