/**
 * One direction's socket to a neighbour. Frames that arrive before this rank asks for them wait here, and
 * past a few of them the socket is paused: nothing is forwarded ahead of this rank's own share.
 */
import type { Socket } from 'node:net';
import { createDeferred, type Deferred } from '@gantry/kit';
import { decodeHeader, encodeHeader, frameHeaderBytes, type FrameHeader, type FrameKind } from './frame.ts';
import { RankLostError } from './rank-lost-error.ts';

export interface AbortNotice {
  readonly rank: number;
  readonly exitCode: number;
  readonly message: string;
}

export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
}

const waitingFrames = 4;

export class Link {
  /** Rank at the other end. */
  readonly peer: number;
  readonly #socket: Socket;
  readonly #frames: Frame[] = [];
  readonly #onLost: (error: RankLostError) => void;
  #waiting: Deferred<Frame> | undefined;
  #header: FrameHeader | undefined;
  #target = new Uint8Array(frameHeaderBytes);
  #filled = 0;
  #lost: RankLostError | undefined;
  /** This side has ended, or the other has said that it will: silence is no loss any more. */
  #isClosing = false;
  #hasLeft = false;

  constructor(socket: Socket, peer: number, onLost: (error: RankLostError) => void) {
    this.peer = peer;
    this.#socket = socket;
    this.#onLost = onLost;
    socket.on('data', (bytes) => {
      try {
        this.#take(bytes);
      } catch (cause) {
        this.fail(new RankLostError(peer, `Rank ${peer} sent something unreadable: ${String(cause)}`, 70));
      }
    });
    const onGone = (): void => {
      if (!this.#hasLeft) this.fail(new RankLostError(peer, `Rank ${peer} is gone: its connection closed.`));
    };
    socket.on('close', onGone);
    socket.on('error', onGone);
  }

  /** Resolves when the bytes have left this process, so that the caller may change them. */
  async send(kind: FrameKind, sequence: number, payload: Uint8Array): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    this.#socket.cork();
    this.#socket.write(encodeHeader({ kind, sequence, byteLength: payload.byteLength }));
    const sent = new Promise<void>((resolve, reject) => {
      this.#socket.write(payload, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(
            this.#lost ??
              new RankLostError(this.peer, `Rank ${this.peer} cannot be reached: ${error.message}`),
          );
      });
    });
    this.#socket.uncork();
    await sent;
  }

  /** The next frame; `onSilence` names the missing rank when nothing comes in time. */
  async receive(timeoutMs: number, onSilence: () => RankLostError): Promise<Frame> {
    const frame = this.#frames.shift();
    if (this.#frames.length < waitingFrames) this.#socket.resume();
    if (frame !== undefined) return frame;
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#hasLeft) throw this.#left();
    const waiting = createDeferred<Frame>();
    this.#waiting = waiting;
    const timer = setTimeout(() => this.fail(onSilence()), timeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  fail(error: RankLostError): void {
    if (this.#lost !== undefined || this.#isClosing) return;
    this.#lost = error;
    this.#onLost(error);
    this.#waiting?.reject(error);
  }

  /** Lets what was sent leave, then ends; the peer's silence is no loss from here on. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#socket.destroyed) return;
    this.#socket.write(encodeHeader({ kind: 'farewell', sequence: 0, byteLength: 0 }));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), 500);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.resume();
      this.#socket.end();
    });
  }

  #take(bytes: Uint8Array): void {
    let offset = 0;
    // A frame without payload is complete as soon as its header is.
    while (offset < bytes.length || (this.#header !== undefined && this.#filled === this.#target.length)) {
      const count = Math.min(bytes.length - offset, this.#target.length - this.#filled);
      this.#target.set(bytes.subarray(offset, offset + count), this.#filled);
      this.#filled += count;
      offset += count;
      if (this.#filled < this.#target.length) return;
      if (this.#header === undefined) {
        this.#header = decodeHeader(this.#target);
        this.#target = new Uint8Array(this.#header.byteLength);
      } else {
        const frame = { header: this.#header, payload: this.#target };
        this.#header = undefined;
        this.#target = new Uint8Array(frameHeaderBytes);
        this.#deliver(frame);
      }
      this.#filled = 0;
    }
  }

  #deliver(frame: Frame): void {
    if (frame.header.kind === 'abort') {
      const notice = JSON.parse(new TextDecoder().decode(frame.payload)) as AbortNotice;
      this.fail(new RankLostError(notice.rank, notice.message, notice.exitCode));
      return;
    }
    if (frame.header.kind === 'farewell') {
      this.#hasLeft = true;
      if (this.#waiting !== undefined) this.fail(this.#left());
      return;
    }
    if (this.#waiting !== undefined) {
      this.#waiting.resolve(frame);
      this.#waiting = undefined;
      return;
    }
    this.#frames.push(frame);
    if (this.#frames.length >= waitingFrames) this.#socket.pause();
  }

  #left(): RankLostError {
    return new RankLostError(this.peer, `Rank ${this.peer} has left while others still sum.`);
  }
}
