/** Turns a byte stream back into frames. Payload buffers come from a small stock, since fresh memory costs page faults. */
import { decodeHeader, frameHeaderBytes, type FrameHeader } from './frame.ts';

export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
}

const stockLimit = 8;

export class FrameReader {
  readonly #deliver: (frame: Frame) => void;
  readonly #stock: ArrayBuffer[] = [];
  readonly #head = new Uint8Array(frameHeaderBytes);
  #header: FrameHeader | undefined;
  #target: Uint8Array = this.#head;
  #filled = 0;

  constructor(deliver: (frame: Frame) => void) {
    this.#deliver = deliver;
  }

  /** Throws when the bytes are no frames. `bytes` may be reused afterwards. */
  take(bytes: Uint8Array): void {
    let offset = 0;
    // A frame without payload is complete as soon as its header is.
    while (offset < bytes.length || (this.#header !== undefined && this.#filled === this.#target.length)) {
      const count = Math.min(bytes.length - offset, this.#target.length - this.#filled);
      this.#target.set(bytes.subarray(offset, offset + count), this.#filled);
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
    if (this.#stock.length < stockLimit) this.#stock.push(payload.buffer as ArrayBuffer);
  }

  #buffer(byteLength: number): Uint8Array {
    const found = this.#stock.findIndex((buffer) => buffer.byteLength >= byteLength);
    const [kept] = found === -1 ? [] : this.#stock.splice(found, 1);
    return new Uint8Array(kept ?? new ArrayBuffer(byteLength), 0, byteLength);
  }
}
