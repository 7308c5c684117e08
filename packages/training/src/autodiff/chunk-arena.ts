/**
 * The arena of an ONNX Runtime session (`bfc_arena.cc`, with its defaults), without the memory: regions that double,
 * cut into chunks; the smallest chunk that is large enough is given, whole unless it is twice as large; free
 * neighbours grow together. Counts what was ever written to: the rest of a region is no resident memory.
 */
interface Chunk {
  readonly region: number;
  from: number;
  size: number;
  isFree: boolean;
  before: Chunk | undefined;
  after: Chunk | undefined;
}

const unit = 256;
const pageBytes = 4_096;
const firstRegionBytes = 2 ** 20;
/** A chunk is cut also where this much of it would lie idle. */
const idleBytes = 128 * 2 ** 20;

export class ChunkArena {
  /** One byte a page: whether it was written to. */
  readonly #regions: Uint8Array[] = [];
  readonly #free = new Set<Chunk>();
  readonly #given = new Map<object, Chunk>();
  #nextRegionBytes = firstRegionBytes;

  /** Room that its owner fills. */
  take(owner: object, bytes: number): void {
    const size = Math.max(1, Math.ceil(bytes / unit)) * unit;
    const chunk = this.#smallest(size) ?? this.#extend(size);
    this.#free.delete(chunk);
    if (chunk.size >= 2 * size || chunk.size - size >= idleBytes) this.#cut(chunk, size);
    chunk.isFree = false;
    this.#given.set(owner, chunk);
    const last = Math.ceil((chunk.from + bytes) / pageBytes);
    this.#regions[chunk.region]?.fill(1, Math.floor(chunk.from / pageBytes), last);
  }

  giveBack(owner: object): void {
    const chunk = this.#given.get(owner);
    if (chunk === undefined) return;
    this.#given.delete(owner);
    chunk.isFree = true;
    const { before, after } = chunk;
    if (after?.isFree === true) this.#join(chunk, after);
    if (before?.isFree === true) this.#join(before, chunk);
    this.#free.add(before?.isFree === true ? before : chunk);
  }

  /** Bytes of pages that were written to. */
  get touchedBytes(): number {
    let pages = 0;
    for (const region of this.#regions) for (const isTouched of region) pages += isTouched;
    return pages * pageBytes;
  }

  /** Of equal ones that at the lowest address; later regions lie below earlier ones. */
  #smallest(size: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#free) {
      if (chunk.size < size) continue;
      const order =
        best === undefined
          ? -1
          : chunk.size - best.size || best.region - chunk.region || chunk.from - best.from;
      if (order < 0) best = chunk;
    }
    return best;
  }

  #extend(size: number): Chunk {
    const isLargeEnough = size <= this.#nextRegionBytes;
    while (size > this.#nextRegionBytes) this.#nextRegionBytes *= 2;
    const bytes = this.#nextRegionBytes;
    if (isLargeEnough) this.#nextRegionBytes *= 2;
    this.#regions.push(new Uint8Array(Math.ceil(bytes / pageBytes)));
    const region = this.#regions.length - 1;
    return { region, from: 0, size: bytes, isFree: true, before: undefined, after: undefined };
  }

  #cut(chunk: Chunk, size: number): void {
    const { region, from, after } = chunk;
    const rest: Chunk = {
      region,
      from: from + size,
      size: chunk.size - size,
      isFree: true,
      before: chunk,
      after,
    };
    if (after !== undefined) after.before = rest;
    chunk.after = rest;
    chunk.size = size;
    this.#free.add(rest);
  }

  #join(chunk: Chunk, next: Chunk): void {
    this.#free.delete(next);
    chunk.size += next.size;
    chunk.after = next.after;
    if (next.after !== undefined) next.after.before = chunk;
  }
}
