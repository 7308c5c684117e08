/**
 * A link between two threads of one process. What is sent stays where it is until the other has used it and says
 * so; what may not wait for that, or lies elsewhere, is copied into the sender's region first.
 */
import { createDeferred, type Deferred } from '@gantry/kit';
import type { Arena } from '../memory/index.ts';
import type { FrameKind } from './frame.ts';
import type { Frame } from './frame-reader.ts';
import { LinkInbox } from './link-inbox.ts';
import type { LinkEvents, PeerLink } from './peer-link.ts';
import { RankLostError } from './rank-lost-error.ts';
import { presence, ringOf, ringSlots, ringWords, slotWords, type ThreadMeeting } from './thread-meeting.ts';

/** `used`: the message of this id was used. */
const kinds = ['data', 'abort', 'farewell', 'hello', 'probe', 'answer', 'used'] as const;
type Kind = (typeof kinds)[number];
type Message = readonly [
  kind: number,
  channel: number,
  number: number,
  at: number,
  bytes: number,
  id: number,
];

interface Pending {
  readonly used: Deferred<void>;
  /** In the sender's region, to be given back. */
  readonly copy: Uint8Array | undefined;
}

const { written, read, slots } = ringWords;
/** Looks at the ring before a thread lets others run: an answer is often there within microseconds. */
const spins = 200;
/** How long a farewell waits for what was sent to be used. */
const lingerMs = 500;

export class ThreadLink implements PeerLink {
  readonly peer: number;
  readonly #meeting: ThreadMeeting;
  readonly #arena: Arena;
  readonly #out: Int32Array<SharedArrayBuffer>;
  readonly #in: Int32Array<SharedArrayBuffer>;
  readonly #inbox: LinkInbox;
  readonly #pending = new Map<number, Pending>();
  /** Ids of messages that were delivered and not given back, by address. */
  readonly #held = new Map<number, number[]>();
  readonly #backlog: Message[] = [];
  /** A wait for another thread keeps no process alive by itself. */
  readonly #alive = setInterval(() => undefined, 1 << 30);
  #nextId = 1;
  #isFlushing = false;
  #isClosed = false;

  constructor(rank: number, peer: number, meeting: ThreadMeeting, events: LinkEvents, arena: Arena) {
    this.peer = peer;
    this.#meeting = meeting;
    this.#arena = arena;
    this.#out = ringOf(meeting, rank, peer);
    this.#in = ringOf(meeting, peer, rank);
    this.#inbox = new LinkInbox(peer, events, {
      answer: (channel, entered) => {
        this.send('answer', channel, entered, new Uint8Array(), true).catch(() => undefined);
      },
      onDemand: () => this.#drain(),
    });
    void this.#listen();
  }

  async send(
    kind: FrameKind,
    channel: number,
    number: number,
    payload: Uint8Array,
    isKept = false,
  ): Promise<void> {
    if (this.#inbox.lost !== undefined) throw this.#inbox.lost;
    const address = this.#arena.addressOf(payload);
    const copy =
      payload.byteLength > 0 && (isKept || address === undefined) ? this.#copied(payload) : undefined;
    const at = (copy === undefined ? address : this.#arena.addressOf(copy)) ?? 0;
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) | 0;
    const used = createDeferred<void>();
    used.promise.catch(() => undefined);
    this.#pending.set(id, { used, copy });
    this.#post([kinds.indexOf(kind), channel, number, at, payload.byteLength, id]);
    if (copy === undefined) await used.promise;
  }

  async receive(channel: number, timeoutMs: number, onSilence: () => Promise<RankLostError>): Promise<Frame> {
    return this.#inbox.receive(channel, timeoutMs, onSilence);
  }

  recycle({ byteOffset }: Uint8Array): void {
    const ids = this.#held.get(byteOffset);
    const id = ids?.shift();
    if (ids?.length === 0) this.#held.delete(byteOffset);
    if (id !== undefined) this.#sayUsed(id);
  }

  fail(error: RankLostError): void {
    this.#inbox.fail(error);
    for (const { used } of this.#pending.values()) used.reject(error);
  }

  async close(): Promise<void> {
    this.#inbox.close();
    this.#post([kinds.indexOf('farewell'), 0, 0, 0, 0, 0]);
    const timeout = createDeferred<void>();
    const timer = setTimeout(() => timeout.resolve(), this.#inbox.lost === undefined ? lingerMs : 0);
    const all = Promise.allSettled([...this.#pending.values()].map(({ used }) => used.promise));
    await Promise.race([all, timeout.promise]);
    clearTimeout(timer);
    this.#isClosed = true;
    clearInterval(this.#alive);
    // Wakes this side's own listener, that it may end.
    Atomics.notify(this.#in, written);
  }

  #copied(payload: Uint8Array): Uint8Array {
    const copy = this.#arena.room(payload.byteLength);
    if (this.#arena.addressOf(copy) === undefined)
      throw new Error(`a region of ${this.#meeting.regionBytes} bytes is too small for this thread's rank`);
    this.#arena.copy(copy, payload);
    return copy;
  }

  #sayUsed(id: number): void {
    this.#post([kinds.indexOf('used'), 0, 0, 0, 0, id]);
  }

  #post(message: Message): void {
    this.#backlog.push(message);
    this.#flush();
  }

  #flush(): void {
    const ring = this.#out;
    let isSent = false;
    while (this.#backlog.length > 0) {
      const place = Atomics.load(ring, written);
      if (((place - Atomics.load(ring, read)) | 0) >= ringSlots) break;
      ring.set(this.#backlog.shift() as Message, slots + ((place >>> 0) % ringSlots) * slotWords);
      Atomics.store(ring, written, (place + 1) | 0);
      isSent = true;
    }
    if (isSent) Atomics.notify(ring, written);
    if (this.#backlog.length > 0 && !this.#isFlushing) void this.#flushLater();
  }

  async #flushLater(): Promise<void> {
    this.#isFlushing = true;
    const wait = Atomics.waitAsync(this.#out, read, Atomics.load(this.#out, read), 100);
    if (wait.async) await wait.value;
    this.#isFlushing = false;
    if (!this.#isClosed) this.#flush();
  }

  async #listen(): Promise<void> {
    const states = new Int32Array(this.#meeting.presence);
    while (!this.#isClosed) {
      const seen = Atomics.load(this.#in, written);
      this.#drain();
      for (let spin = 0; spin < spins && Atomics.load(this.#in, written) === seen; spin += 1);
      if (Atomics.load(this.#in, written) !== seen) continue;
      if (Atomics.load(states, this.peer) === presence.gone && !this.#inbox.hasLeft) {
        this.fail(new RankLostError(this.peer, `Rank ${this.peer} is gone: its thread ended.`));
        return;
      }
      const wait = Atomics.waitAsync(this.#in, written, seen);
      if (wait.async) await wait.value;
    }
  }

  #drain(): void {
    const ring = this.#in;
    for (;;) {
      const place = Atomics.load(ring, read);
      if (place === Atomics.load(ring, written)) return;
      const from = slots + ((place >>> 0) % ringSlots) * slotWords;
      const message = [...ring.subarray(from, from + slotWords)] as unknown as Message;
      Atomics.store(ring, read, (place + 1) | 0);
      Atomics.notify(ring, read);
      this.#take(message);
    }
  }

  #take([kindNumber, channel, number, at, byteLength, id]: Message): void {
    const kind = kinds[kindNumber] as Kind;
    if (kind === 'used') {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (pending?.copy !== undefined) this.#arena.release(pending.copy);
      pending?.used.resolve();
      return;
    }
    const payload = new Uint8Array(this.#meeting.memory.buffer, at >>> 0, byteLength);
    if (kind === 'data') {
      const ids = this.#held.get(payload.byteOffset) ?? [];
      ids.push(id);
      this.#held.set(payload.byteOffset, ids);
    }
    this.#inbox.deliver({ header: { kind, channel, number, byteLength }, payload });
    if (kind !== 'data' && kind !== 'farewell') this.#sayUsed(id);
  }
}
