/** Turns a byte stream back into frames. Payload buffers come from a small stock, since fresh memory costs page faults. */
import type { Arena } from '../memory/index.ts';
import { PlaceFiller, type ArrivalPlace } from './arrival-place.ts';
import { decodeHeader, frameHeaderBytes, type FrameHeader } from './frame.ts';

export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
  /** The payload went where it was expected while it came, and is empty here. */
  readonly isPlaced?: true;
}

/** More than wait in a link at one time (see link.ts): 48 pieces of a ring. */
const stockLimit = 48;

export class FrameReader {
  readonly #deliver: (frame: Frame) => void;
  readonly #arena: Arena;
  readonly #stock: Uint8Array[] = [];
  readonly #head = new Uint8Array(frameHeaderBytes);
  /** Of messages to come, by channel and number. */
  readonly #expected = new Map<number, ArrivalPlace>();
  #header: FrameHeader | undefined;
  #filler: PlaceFiller | undefined;
  #target: Uint8Array = this.#head;
  #wanted = frameHeaderBytes;
  #filled = 0;

  constructor(deliver: (frame: Frame) => void, arena: Arena) {
    this.#deliver = deliver;
    this.#arena = arena;
  }

  /** Throws when the bytes are no frames. `bytes` may be reused afterwards. */
  take(bytes: Uint8Array): void {
    let offset = 0;
    // A frame without payload is complete as soon as its header is.
    while (offset < bytes.length || (this.#header !== undefined && this.#filled === this.#wanted)) {
      const count = Math.min(bytes.length - offset, this.#wanted - this.#filled);
      const piece = bytes.subarray(offset, offset + count);
      if (this.#header === undefined) this.#target.set(piece, this.#filled);
      else if (this.#filler !== undefined) this.#filler.take(piece);
      else this.#arena.copy(this.#target.subarray(this.#filled, this.#filled + count), piece);
      offset += count;
      this.#filled += count;
      if (this.#filled < this.#wanted) return;
      this.#filled = 0;
      if (this.#header === undefined) this.#begin(decodeHeader(this.#head));
      else this.#end(this.#header);
    }
  }

  /** Where that message's payload goes, if it has not begun to come. */
  expect(channel: number, number: number, place: ArrivalPlace): void {
    this.#expected.set(keyOf(channel, number), place);
  }

  /** It came before it was expected. */
  forget(channel: number, number: number): void {
    this.#expected.delete(keyOf(channel, number));
  }

  #begin(header: FrameHeader): void {
    const { kind, channel, number, byteLength } = header;
    this.#header = header;
    this.#wanted = byteLength;
    const key = keyOf(channel, number);
    const place = kind === 'data' ? this.#expected.get(key) : undefined;
    // Of another length it is a fault, which whoever receives it names.
    if (place?.target.byteLength === byteLength) {
      this.#expected.delete(key);
      this.#filler = new PlaceFiller(place, this.#arena);
    } else this.#target = this.#buffer(byteLength);
  }

  #end(header: FrameHeader): void {
    const frame: Frame =
      this.#filler === undefined
        ? { header, payload: this.#target }
        : { header, payload: nothing, isPlaced: true };
    this.#header = undefined;
    this.#filler = undefined;
    this.#target = this.#head;
    this.#wanted = frameHeaderBytes;
    this.#deliver(frame);
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

const nothing = new Uint8Array();

/** Numbers are of 32 bits. */
function keyOf(channel: number, number: number): number {
  return channel * 2 ** 32 + number;
}
