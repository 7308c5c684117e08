/**
 * Answers of the Responses dialect that clients may ask for again or continue from, by tenant. In memory and bounded:
 * the oldest go when the room is full. A keeper holds them over a restart.
 */
export interface StoredResponse {
  readonly model: string;
  /** The items that the answer was made from, those of the responses before it included. */
  readonly input: readonly unknown[];
  readonly response: Readonly<Record<string, unknown>>;
  readonly bytes: number;
}

export interface KeptResponse {
  readonly tenantId: string;
  readonly id: string;
  readonly stored: StoredResponse;
}

/** Where responses outlive the process. Must not throw or block. */
export interface ResponseKeeper {
  save(kept: KeptResponse): void;
  remove(tenantId: string, id: string): void;
}

export class ResponseStore {
  readonly #entries = new Map<string, KeptResponse>();
  readonly #maxBytes: number;
  readonly #keeper: ResponseKeeper | undefined;
  #bytes = 0;

  /** `known`: those of before, oldest first. */
  constructor(maxBytes: number, keeper?: ResponseKeeper, known: readonly KeptResponse[] = []) {
    this.#maxBytes = maxBytes;
    this.#keeper = keeper;
    for (const kept of known) this.#insert(kept);
  }

  get(tenantId: string, id: string): StoredResponse | undefined {
    return this.#entries.get(keyOf(tenantId, id))?.stored;
  }

  set(tenantId: string, id: string, stored: StoredResponse): void {
    this.delete(tenantId, id);
    const kept = { tenantId, id, stored };
    if (this.#insert(kept)) this.#keeper?.save(kept);
  }

  delete(tenantId: string, id: string): boolean {
    const key = keyOf(tenantId, id);
    const kept = this.#entries.get(key);
    if (kept === undefined) return false;
    this.#entries.delete(key);
    this.#bytes -= kept.stored.bytes;
    this.#keeper?.remove(tenantId, id);
    return true;
  }

  /** False: one answer may not push out all others. */
  #insert(kept: KeptResponse): boolean {
    const { tenantId, id, stored } = kept;
    if (stored.bytes > this.#maxBytes / 8) return false;
    this.#entries.set(keyOf(tenantId, id), kept);
    this.#bytes += stored.bytes;
    for (const oldest of this.#entries.values()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest.tenantId, oldest.id);
    }
    return true;
  }
}

const keyOf = (tenantId: string, id: string): string => `${tenantId} ${id}`;
