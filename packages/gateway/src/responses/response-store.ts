/**
 * Answers of the Responses dialect that clients may ask for again or continue from, by tenant. In memory and
 * bounded: the oldest go when the room is full, and all when the server restarts.
 */
export interface StoredResponse {
  readonly model: string;
  /** The items that the answer was made from, those of the responses before it included. */
  readonly input: readonly unknown[];
  readonly response: Readonly<Record<string, unknown>>;
  readonly bytes: number;
}

export class ResponseStore {
  readonly #entries = new Map<string, StoredResponse>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(tenantId: string, id: string): StoredResponse | undefined {
    return this.#entries.get(keyOf(tenantId, id));
  }

  set(tenantId: string, id: string, stored: StoredResponse): void {
    this.delete(tenantId, id);
    if (stored.bytes > this.#maxBytes / 8) return;
    this.#entries.set(keyOf(tenantId, id), stored);
    this.#bytes += stored.bytes;
    for (const [key, { bytes }] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#entries.delete(key);
      this.#bytes -= bytes;
    }
  }

  delete(tenantId: string, id: string): boolean {
    const key = keyOf(tenantId, id);
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    return this.#entries.delete(key);
  }
}

const keyOf = (tenantId: string, id: string): string => `${tenantId} ${id}`;
