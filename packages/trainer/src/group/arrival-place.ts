/**
 * Where the floats of one message go while they still arrive: added to or laid over a target, straight from the buffer
 * that the socket was read into. Reads end in the middle of a float as they please.
 */
import type { Arena } from '../memory/index.ts';

export interface ArrivalPlace {
  readonly target: Float32Array;
  readonly isAdded: boolean;
}

const floatBytes = 4;

export class PlaceFiller {
  readonly #place: ArrivalPlace;
  readonly #arena: Arena;
  readonly #cut = new DataView(new ArrayBuffer(floatBytes));
  #filled = 0;

  constructor(place: ArrivalPlace, arena: Arena) {
    this.#place = place;
    this.#arena = arena;
  }

  /** The next bytes of the message. */
  take(bytes: Uint8Array): void {
    const { target, isAdded } = this.#place;
    if (!isAdded) {
      const whole = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
      this.#arena.copy(whole.subarray(this.#filled, this.#filled + bytes.length), bytes);
      this.#filled += bytes.length;
      return;
    }
    let at = 0;
    while (at < bytes.length && this.#filled % floatBytes > 0) this.#takeCut(bytes[at++] as number);
    const whole = (bytes.length - at) & ~(floatBytes - 1);
    if (whole > 0) this.#arena.addBytes(target, bytes.subarray(at, at + whole), this.#filled / floatBytes);
    this.#filled += whole;
    for (at += whole; at < bytes.length; at += 1) this.#takeCut(bytes[at] as number);
  }

  #takeCut(byte: number): void {
    const { target } = this.#place;
    this.#cut.setUint8(this.#filled % floatBytes, byte);
    this.#filled += 1;
    if (this.#filled % floatBytes > 0) return;
    const index = this.#filled / floatBytes - 1;
    target[index] = (target[index] as number) + this.#cut.getFloat32(0, true);
  }
}
