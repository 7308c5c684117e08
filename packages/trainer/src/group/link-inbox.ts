/**
 * The receiving half of a link: frames wait by channel until they are asked for, control frames are answered at
 * once, and when the other is lost everybody who waits hears of it.
 */
import { createDeferred, type Deferred } from '@gantry/kit';
import type { FrameKind } from './frame.ts';
import type { Frame } from './frame-reader.ts';
import type { AbortNotice, LinkEvents } from './peer-link.ts';
import { RankLostError } from './rank-lost-error.ts';

interface Channel {
  readonly frames: Frame[];
  waiting: Deferred<Frame> | undefined;
}

export interface InboxPort {
  /** Tells the other how many collectives this rank has entered on a channel. */
  answer(channel: number, entered: number): void;
  /** Somebody waits, or there is room again. */
  onDemand(): void;
}

export class LinkInbox {
  readonly #peer: number;
  readonly #events: LinkEvents;
  readonly #port: InboxPort;
  readonly #channels = new Map<number, Channel>();
  #waitingBytes = 0;
  #waiters = 0;
  #lost: RankLostError | undefined;
  /** This side has ended, or the other has said that it will: silence is no loss any more. */
  #isClosing = false;
  #hasLeft = false;

  constructor(peer: number, events: LinkEvents, port: InboxPort) {
    this.#peer = peer;
    this.#events = events;
    this.#port = port;
  }

  get lost(): RankLostError | undefined {
    return this.#lost;
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether a frame is wanted that has not come. */
  get isWanted(): boolean {
    return this.#waiters > 0;
  }

  close(): void {
    this.#isClosing = true;
  }

  async receive(channel: number, timeoutMs: number, onSilence: () => Promise<RankLostError>): Promise<Frame> {
    const inbox = this.#channel(channel);
    const frame = inbox.frames.shift();
    if (frame !== undefined) {
      this.#waitingBytes -= frame.payload.byteLength;
      this.#port.onDemand();
      return frame;
    }
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#hasLeft) throw this.#left();
    const waiting = createDeferred<Frame>();
    inbox.waiting = waiting;
    this.#waiters += 1;
    this.#port.onDemand();
    const timer = setTimeout(() => void onSilence().then((error) => this.fail(error)), timeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      inbox.waiting = undefined;
      this.#waiters -= 1;
    }
  }

  fail(error: RankLostError): void {
    if (this.#lost !== undefined || this.#isClosing) return;
    this.#lost = error;
    this.#events.onLost(error);
    for (const { waiting } of this.#channels.values()) waiting?.reject(error);
  }

  deliver(frame: Frame): void {
    const { header, payload } = frame;
    const handlers: Readonly<Record<FrameKind, () => void>> = {
      data: () => this.#keep(frame),
      abort: () => {
        const notice = JSON.parse(Buffer.from(payload).toString('utf8')) as AbortNotice;
        this.fail(new RankLostError(notice.rank, notice.message, notice.exitCode));
      },
      farewell: () => {
        this.#hasLeft = true;
        // Who has been answered in this very read has not gone on yet: it is no longer waiting.
        if ([...this.#channels.values()].some(({ waiting }) => waiting !== undefined))
          this.fail(this.#left());
      },
      probe: () => this.#port.answer(header.channel, this.#events.entered(header.channel)),
      answer: () => this.#events.onAnswer(this.#peer, header.channel, header.number),
      hello: () => undefined,
    };
    handlers[header.kind]();
  }

  #keep(frame: Frame): void {
    const inbox = this.#channel(frame.header.channel);
    if (inbox.waiting !== undefined && inbox.frames.length === 0) {
      inbox.waiting.resolve(frame);
      inbox.waiting = undefined;
      return;
    }
    inbox.frames.push(frame);
    this.#waitingBytes += frame.payload.byteLength;
  }

  #channel(number: number): Channel {
    let channel = this.#channels.get(number);
    if (channel === undefined) {
      channel = { frames: [], waiting: undefined };
      this.#channels.set(number, channel);
    }
    return channel;
  }

  #left(): RankLostError {
    return new RankLostError(this.#peer, `Rank ${this.#peer} has left while others still sum.`);
  }
}
