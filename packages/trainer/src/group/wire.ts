/** What a collective is made of: messages between the ranks of a group, and parts of what they hold. */
export interface Wire {
  /** Place in the group, not in the world. */
  readonly index: number;
  readonly size: number;
  send(to: number, values: Float32Array): Promise<void>;
  /** What `to` sent, in order; give it back with `recycle`. */
  receive(from: number, length: number): Promise<Float32Array>;
  recycle(from: number, received: Float32Array): void;
  /**
   * What `from` sends next, after all that was asked for before, goes there: added, or in the place of what lies there.
   * Call the answer, in the order of the messages, to wait for it.
   */
  expect(from: number, target: Float32Array, isAdded: boolean): () => Promise<void>;
  /** Where ranks see each other's memory. */
  readonly shared?: SharedWire | undefined;
  copy(target: Float32Array, source: Float32Array, at: number): void;
  /** Adds `source` to the elements of `target` from `at` on. */
  add(target: Float32Array, source: Float32Array, at: number): void;
}

export interface SharedWire {
  /** The values, or where they lie in no shared memory, a copy that does. */
  within(values: Float32Array): Float32Array;
  release(copy: Float32Array): void;
  /** `to` may read and write them until it gives them back; `counted` elements of them are said to be sent. */
  lend(to: number, values: Float32Array, counted: number): Promise<void>;
  /** Elements of all views become their sum, added up in order. */
  sumAll(views: readonly Float32Array[], part: Part): void;
}

export interface Part {
  readonly from: number;
  readonly to: number;
}

/** Parts of `length` among `count` ranks: contiguous, complete, sizes differ by at most one. */
export function evenParts(length: number, count: number): Part[] {
  return Array.from({ length: count }, (_, index) => ({
    from: Math.floor((length * index) / count),
    to: Math.floor((length * (index + 1)) / count),
  }));
}

/** 1 MiB: small enough to stay in the cache between socket and sum. */
const pieceElements = 1 << 18;

export function piecesOf({ from, to }: Part): Part[] {
  const pieces: Part[] = [];
  for (let at = from; at < to; at += pieceElements)
    pieces.push({ from: at, to: Math.min(to, at + pieceElements) });
  return pieces;
}
