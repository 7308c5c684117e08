/**
 * The two sockets between this rank and one other: it reads where it has connected (only such sockets read
 * into a buffer that stays) and writes where the other has. Frames wait here by channel until they are asked
 * for; past some of them reading pauses, unless somebody waits for a frame that may lie behind.
 */
import type { Socket } from 'node:net';
import type { Arena } from '../memory/index.ts';
import type { ArrivalPlace } from './arrival-place.ts';
import { encodeHeader, type FrameKind } from './frame.ts';
import { FrameReader, type Frame } from './frame-reader.ts';
import { LinkInbox } from './link-inbox.ts';
import type { LinkEvents, PeerLink } from './peer-link.ts';
import { RankLostError } from './rank-lost-error.ts';

const waitingBytesLimit = 32 * 1024 * 1024;

export class Link implements PeerLink {
  readonly peer: number;
  readonly #incoming: Socket;
  readonly #outgoing: Socket;
  readonly #reader: FrameReader;
  readonly #inbox: LinkInbox;
  #isPaused = false;

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
    this.#inbox = new LinkInbox(peer, events, {
      answer: (channel, entered) => {
        this.send('answer', channel, entered, new Uint8Array()).catch(() => undefined);
      },
      onDemand: () => this.#resume(),
    });
    this.#reader = new FrameReader((frame) => this.#deliver(frame), arena);
    const onGone = (): void => {
      if (!this.#inbox.hasLeft)
        this.fail(new RankLostError(peer, `Rank ${peer} is gone: its connection closed.`));
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

  /** Resolves when the bytes have left this process. */
  async send(kind: FrameKind, channel: number, number: number, payload: Uint8Array): Promise<void> {
    if (this.#inbox.lost !== undefined) throw this.#inbox.lost;
    this.#outgoing.cork();
    this.#outgoing.write(encodeHeader({ kind, channel, number, byteLength: payload.byteLength }));
    const sent = new Promise<void>((resolve, reject) => {
      this.#outgoing.write(payload, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(
            this.#inbox.lost ??
              new RankLostError(this.peer, `Rank ${this.peer} cannot be reached: ${error.message}`),
          );
      });
    });
    this.#outgoing.uncork();
    await sent;
  }

  receive(channel: number, timeoutMs: number, onSilence: () => Promise<RankLostError>): Promise<Frame> {
    return this.#inbox.receive(channel, timeoutMs, onSilence);
  }

  expect(channel: number, number: number, place: ArrivalPlace): void {
    this.#reader.expect(channel, number, place);
  }

  forget(channel: number, number: number): void {
    this.#reader.forget(channel, number);
  }

  recycle(payload: Uint8Array): void {
    this.#reader.recycle(payload);
  }

  fail(error: RankLostError): void {
    this.#inbox.fail(error);
  }

  async close(): Promise<void> {
    this.#inbox.close();
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
    this.#inbox.deliver(frame);
    if (this.#inbox.waitingBytes >= waitingBytesLimit && !this.#inbox.isWanted) this.#isPaused = true;
  }

  #resume(): void {
    if (!this.#isPaused || (this.#inbox.waitingBytes >= waitingBytesLimit && !this.#inbox.isWanted)) return;
    this.#isPaused = false;
    this.#incoming.resume();
  }
}
