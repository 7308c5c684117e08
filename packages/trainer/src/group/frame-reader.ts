/** Turns a byte stream back into frames. Payload buffers come from a small stock, since fresh memory costs page faults. */
import type { Arena } from '../memory/index.ts';
import { decodeHeader, frameHeaderBytes, type FrameHeader } from './frame.ts';

export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
}

/** More than wait in a link at one time (see link.ts): 48 pieces of a ring. */
const stockLimit = 48;

export class FrameReader {
  readonly #deliver: (frame: Frame) => void;
  readonly #arena: Arena;
  readonly #stock: Uint8Array[] = [];
  readonly #head = new Uint8Array(frameHeaderBytes);
  #header: FrameHeader | undefined;
  #target: Uint8Array = this.#head;
  #filled = 0;

  constructor(deliver: (frame: Frame) => void, arena: Arena) {
    this.#deliver = deliver;
    this.#arena = arena;
  }

  /** Throws when the bytes are no frames. `bytes` may be reused afterwards. */
  take(bytes: Uint8Array): void {
    let offset = 0;
    // A frame without payload is complete as soon as its header is.
    while (offset < bytes.length || (this.#header !== undefined && this.#filled === this.#target.length)) {
      const count = Math.min(bytes.length - offset, this.#target.length - this.#filled);
      const piece = bytes.subarray(offset, offset + count);
      if (this.#header === undefined) this.#target.set(piece, this.#filled);
      else this.#arena.copy(this.#target.subarray(this.#filled, this.#filled + count), piece);
      offset += count;
      this.#filled += count;
      if (this.#filled < this.#target.length) return;
      this.#filled = 0;
      if (this.#header === undefined) {
        this.#header = decodeHeader(this.#head);
        this.#target = this.#buffer(this.#header.byteLength);
      } else {
        const frame = { header: this.#header, payload: this.#target };
        this.#header = undefined;
        this.#target = this.#head;
        this.#deliver(frame);
      }
    }
  }

  /** Gives a payload's memory back for the frames to come. */
  recycle(payload: Uint8Array): void {
    if (this.#stock.length < stockLimit) this.#stock.push(payload);
    else this.#arena.release(payload);
  }

  #buffer(byteLength: number): Uint8Array {
    const found = this.#stock.findIndex((payload) => payload.byteLength === byteLength);
    const [kept] = found === -1 ? [] : this.#stock.splice(found, 1);
    if (kept !== undefined) return kept;
    // Frames of another length than those before: the stock is of no use to them.
    const [oldest] = this.#stock.length < stockLimit ? [] : this.#stock.splice(0, 1);
    if (oldest !== undefined) this.#arena.release(oldest);
    return this.#arena.room(byteLength);
  }
}
