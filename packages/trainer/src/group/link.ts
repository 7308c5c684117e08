/**
 * The two sockets between this rank and one other: it reads where it has connected (only such sockets read
 * into a buffer that stays) and writes where the other has. Frames wait here by channel until they are asked
 * for; past some of them reading pauses, unless somebody waits for a frame that may lie behind.
 */
import type { Socket } from 'node:net';
import { createDeferred, type Deferred } from '@gantry/kit';
import type { Arena } from '../memory/index.ts';
import { encodeHeader, type FrameKind } from './frame.ts';
import { FrameReader, type Frame } from './frame-reader.ts';
import { RankLostError } from './rank-lost-error.ts';

export interface AbortNotice {
  readonly rank: number;
  readonly exitCode: number;
  readonly message: string;
}

export interface LinkEvents {
  onLost(error: RankLostError): void;
  /** How many collectives this rank has entered on a channel. */
  entered(channel: number): number;
  onAnswer(peer: number, channel: number, entered: number): void;
}

interface Inbox {
  readonly frames: Frame[];
  waiting: Deferred<Frame> | undefined;
}

const waitingBytesLimit = 32 * 1024 * 1024;

export class Link {
  /** Rank at the other end. */
  readonly peer: number;
  readonly #incoming: Socket;
  readonly #outgoing: Socket;
  readonly #events: LinkEvents;
  readonly #reader: FrameReader;
  readonly #inboxes = new Map<number, Inbox>();
  #waitingBytes = 0;
  #waiters = 0;
  #isPaused = false;
  #lost: RankLostError | undefined;
  /** This side has ended, or the other has said that it will: silence is no loss any more. */
  #isClosing = false;
  #hasLeft = false;

  /** `attach` gets what is to be called with the bytes that arrive; it answers whether to go on reading. */
  constructor(
    peer: number,
    sockets: { readonly incoming: Socket; readonly outgoing: Socket },
    attach: (take: (bytes: Uint8Array) => boolean) => void,
    events: LinkEvents,
    arena: Arena,
  ) {
    this.peer = peer;
    this.#incoming = sockets.incoming;
    this.#outgoing = sockets.outgoing;
    this.#events = events;
    this.#reader = new FrameReader((frame) => this.#deliver(frame), arena);
    const onGone = (): void => {
      if (!this.#hasLeft) this.fail(new RankLostError(peer, `Rank ${peer} is gone: its connection closed.`));
    };
    // Only the reading side knows whether a farewell came before the end.
    this.#incoming.on('close', onGone);
    this.#incoming.on('error', onGone);
    this.#outgoing.on('error', () => undefined);
    this.#outgoing.resume();
    attach((bytes) => {
      try {
        this.#reader.take(bytes);
      } catch (cause) {
        this.fail(new RankLostError(peer, `Rank ${peer} sent something unreadable: ${String(cause)}`, 70));
      }
      return !this.#isPaused;
    });
  }

  /** Resolves when the bytes have left this process, so that the caller may change them. */
  async send(kind: FrameKind, channel: number, number: number, payload: Uint8Array): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    this.#outgoing.cork();
    this.#outgoing.write(encodeHeader({ kind, channel, number, byteLength: payload.byteLength }));
    const sent = new Promise<void>((resolve, reject) => {
      this.#outgoing.write(payload, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(
            this.#lost ??
              new RankLostError(this.peer, `Rank ${this.peer} cannot be reached: ${error.message}`),
          );
      });
    });
    this.#outgoing.uncork();
    await sent;
  }

  /** The next data frame of a channel; `onSilence` names the missing rank when nothing comes in time. */
  async receive(channel: number, timeoutMs: number, onSilence: () => Promise<RankLostError>): Promise<Frame> {
    const inbox = this.#inbox(channel);
    const frame = inbox.frames.shift();
    if (frame !== undefined) {
      this.#waitingBytes -= frame.payload.byteLength;
      if (this.#waitingBytes < waitingBytesLimit) this.#resume();
      return frame;
    }
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#hasLeft) throw this.#left();
    const waiting = createDeferred<Frame>();
    inbox.waiting = waiting;
    this.#waiters += 1;
    this.#resume();
    const timer = setTimeout(() => void onSilence().then((error) => this.fail(error)), timeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      inbox.waiting = undefined;
      this.#waiters -= 1;
    }
  }

  recycle(payload: Uint8Array): void {
    this.#reader.recycle(payload);
  }

  fail(error: RankLostError): void {
    if (this.#lost !== undefined || this.#isClosing) return;
    this.#lost = error;
    this.#events.onLost(error);
    for (const { waiting } of this.#inboxes.values()) waiting?.reject(error);
  }

  /** Lets what was sent leave, then ends; the peer's silence is no loss from here on. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (!this.#outgoing.destroyed) {
      this.#outgoing.write(encodeHeader({ kind: 'farewell', channel: 0, number: 0, byteLength: 0 }));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#outgoing.end(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#outgoing.destroy();
    this.#incoming.destroy();
  }

  #deliver(frame: Frame): void {
    const { header, payload } = frame;
    const handlers: Readonly<Record<FrameKind, () => void>> = {
      data: () => this.#keep(frame),
      abort: () => {
        const notice = JSON.parse(Buffer.from(payload).toString('utf8')) as AbortNotice;
        this.fail(new RankLostError(notice.rank, notice.message, notice.exitCode));
      },
      farewell: () => {
        this.#hasLeft = true;
        if (this.#waiters > 0) this.fail(this.#left());
      },
      probe: () => {
        const entered = this.#events.entered(header.channel);
        this.send('answer', header.channel, entered, new Uint8Array()).catch(() => undefined);
      },
      answer: () => this.#events.onAnswer(this.peer, header.channel, header.number),
      hello: () => undefined,
    };
    handlers[header.kind]();
  }

  #keep(frame: Frame): void {
    const inbox = this.#inbox(frame.header.channel);
    if (inbox.waiting !== undefined && inbox.frames.length === 0) {
      inbox.waiting.resolve(frame);
      inbox.waiting = undefined;
      return;
    }
    inbox.frames.push(frame);
    this.#waitingBytes += frame.payload.byteLength;
    if (this.#waitingBytes >= waitingBytesLimit && this.#waiters === 0) this.#isPaused = true;
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#incoming.resume();
  }

  #inbox(channel: number): Inbox {
    let inbox = this.#inboxes.get(channel);
    if (inbox === undefined) {
      inbox = { frames: [], waiting: undefined };
      this.#inboxes.set(channel, inbox);
    }
    return inbox;
  }

  #left(): RankLostError {
    return new RankLostError(this.peer, `Rank ${this.peer} has left while others still sum.`);
  }
}
