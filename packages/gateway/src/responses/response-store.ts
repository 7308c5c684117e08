/**
 * Answers of the Responses dialect that clients may ask for again or continue from, by tenant. In memory and bounded:
 * when the room is full, who holds most gives up its oldest. A keeper holds them over a restart.
 */
import { SharedRoom } from '../limits/shared-room.ts';
import { toFrame } from './event-log.ts';

export interface StoredResponse {
  readonly model: string;
  /** The items that the answer was made from, those of the responses before it included. */
  readonly input: readonly unknown[];
  readonly response: Readonly<Record<string, unknown>>;
  readonly bytes: number;
  /** Of one that was streamed in the background: its events, as they went over the wire. */
  readonly events?: readonly string[];
}

/** It has no end yet. */
export const isUnderWay = ({ status }: StoredResponse['response']): boolean =>
  status === 'queued' || status === 'in_progress';

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
  readonly #room: SharedRoom<StoredResponse>;
  readonly #maxBytes: number;
  readonly #keeper: ResponseKeeper | undefined;

  /** `known`: those of before, oldest first. */
  constructor(maxBytes: number, keeper?: ResponseKeeper, known: readonly KeptResponse[] = []) {
    this.#maxBytes = maxBytes;
    this.#keeper = keeper;
    this.#room = new SharedRoom(maxBytes, (tenantId, id) => keeper?.remove(tenantId, id));
    for (const kept of known) this.#insert({ ...kept, stored: endedByRestart(kept.stored) });
  }

  /** One answer may not push out all others. */
  get mostBytes(): number {
    return this.#maxBytes / 8;
  }

  get(tenantId: string, id: string): StoredResponse | undefined {
    return this.#room.get(tenantId, id);
  }

  /** False: it is too large. */
  set(tenantId: string, id: string, stored: StoredResponse): boolean {
    this.delete(tenantId, id);
    const kept = { tenantId, id, stored };
    const isKept = this.#insert(kept);
    if (isKept) this.#keeper?.save(kept);
    return isKept;
  }

  delete(tenantId: string, id: string): boolean {
    const isGone = this.#room.delete(tenantId, id);
    if (isGone) this.#keeper?.remove(tenantId, id);
    return isGone;
  }

  #insert({ tenantId, id, stored }: KeptResponse): boolean {
    if (stored.bytes > this.mostBytes) return false;
    this.#room.set(tenantId, id, stored, stored.bytes);
    return true;
  }
}

/** Nobody works on it any more: what was asked is lost with the process that asked. */
function endedByRestart(stored: StoredResponse): StoredResponse {
  if (!isUnderWay(stored.response)) return stored;
  const error = { code: 'server_error', message: 'The server restarted before the response was complete.' };
  const response = { ...stored.response, status: 'failed', error };
  const { events } = stored;
  if (events === undefined) return { ...stored, response };
  const last = toFrame({ type: 'response.failed', response }, events.length);
  return { ...stored, response, events: [...events, last] };
}
