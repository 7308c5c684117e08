/**
 * Documents in an order in which few of them are cut by the borders of sequences: best fit (after Ding et al. 2024,
 * "Fewer Truncations Improve Language Modeling", §3), but without padding. A sequence takes the longest document that
 * still fits; when none does, one that no sequence could hold whole is begun, else the longest left; its rest opens
 * the next sequence. So no token is lost, none is filler, and what follows a document is a document's beginning.
 */
export interface PackingOrder {
  /** Indices of the documents. */
  readonly order: readonly number[];
  /** How many that one sequence could hold lie over a border. */
  readonly cut: number;
}

/** `lengths` in tokens, each at least 1. Linear but for the inverse of Ackermann's function. */
export function packingOrder(lengths: readonly number[], sequenceLength: number): PackingOrder {
  const shelf = new DocumentShelf(lengths, sequenceLength);
  const order: number[] = [];
  let room = sequenceLength;
  let cut = 0;
  for (;;) {
    const fitting = shelf.takeFitting(room);
    const document = fitting ?? shelf.takeLong() ?? shelf.takeFitting(sequenceLength);
    if (document === undefined) return { order, cut };
    const length = lengths[document] as number;
    if (length > room && length <= sequenceLength) cut += 1;
    order.push(document);
    room = sequenceLength - ((sequenceLength - room + length) % sequenceLength);
  }
}

/** How many documents that one sequence could hold the borders cut when they lie in this order. */
export function cutDocuments(lengths: readonly number[], sequenceLength: number): number {
  let at = 0;
  let cut = 0;
  for (const length of lengths) {
    if (length <= sequenceLength && (at % sequenceLength) + length > sequenceLength) cut += 1;
    at += length;
  }
  return cut;
}

/** Documents by length; equal ones leave in the order they came. */
class DocumentShelf {
  readonly #byLength: readonly number[][];
  readonly #taken: Uint32Array;
  /** A length, or a shorter one that may still have documents; 0: none. */
  readonly #below: Uint32Array;
  readonly #long: readonly number[];
  #longTaken = 0;

  constructor(lengths: readonly number[], longest: number) {
    this.#byLength = Array.from({ length: longest + 1 }, () => []);
    this.#taken = new Uint32Array(longest + 1);
    this.#below = Uint32Array.from({ length: longest + 1 }, (_, length) => length);
    const long: number[] = [];
    for (const [document, length] of lengths.entries())
      (length > longest ? long : (this.#byLength[length] as number[])).push(document);
    this.#long = long;
  }

  /** The longest of at most `room` tokens. */
  takeFitting(room: number): number | undefined {
    for (let length = this.#find(room); length > 0; length = this.#find(length - 1)) {
      const documents = this.#byLength[length] as number[];
      const taken = this.#taken[length] as number;
      if (taken < documents.length) {
        this.#taken[length] = taken + 1;
        return documents[taken];
      }
      this.#below[length] = length - 1;
    }
    return undefined;
  }

  takeLong(): number | undefined {
    const document = this.#long[this.#longTaken];
    if (document !== undefined) this.#longTaken += 1;
    return document;
  }

  /** Union-find with path halving over lengths that are used up. */
  #find(length: number): number {
    const below = this.#below;
    let at = length;
    while (below[at] !== at) {
      const next = below[at] as number;
      below[at] = below[next] as number;
      at = below[at] as number;
    }
    return at;
  }
}
