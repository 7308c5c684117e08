/**
 * How many bytes of requests are held at once: those being read, waiting for a replica, or on their way. A tenant has
 * half of the room at most, so one that sends large bodies to an endpoint that is asleep stops no neighbour and does not
 * fill the memory of the process. Small bodies are not counted; what runs at once bounds them.
 */
import type { Writable } from 'node:stream';

export const countedFromBytes = 64 * 1024;

export interface BodyHold {
  /** The body is this long by now. False: there is no room for it. */
  readonly grow: (bytes: number) => boolean;
}

export class BodyRoom {
  readonly #maxBytes: number;
  readonly #ofTenant = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Held until the answer is closed, however it ends. */
  holdFor(tenantId: string, answer: Pick<Writable, 'once' | 'destroyed'>): BodyHold {
    let held = 0;
    return {
      grow: (bytes) => {
        const more = bytes - held;
        if (bytes < countedFromBytes || more <= 0 || answer.destroyed) return true;
        const ofTenant = this.#ofTenant.get(tenantId) ?? 0;
        if (this.#bytes + more > this.#maxBytes || ofTenant + more > this.#maxBytes / 2) return false;
        if (held === 0) answer.once('close', () => this.#release(tenantId, held));
        held = bytes;
        this.#bytes += more;
        this.#ofTenant.set(tenantId, ofTenant + more);
        return true;
      },
    };
  }

  #release(tenantId: string, bytes: number): void {
    this.#bytes -= bytes;
    const rest = (this.#ofTenant.get(tenantId) ?? 0) - bytes;
    if (rest > 0) this.#ofTenant.set(tenantId, rest);
    else this.#ofTenant.delete(tenantId);
  }
}
