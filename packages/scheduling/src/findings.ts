/** What a cycle has found out about each shape, for all who ask the same: it is looked for once. */
import type { Explanation } from './explain.ts';
import type { Shape } from './shape.ts';

export interface Findings {
  /** Why it does not fit: on all nodes, and beside the held ones of an epoch. */
  anywhere: Explanation | null;
  beside: { epoch: number; explanation: Explanation } | null;
  /** Fits when nothing is held, known since so many placements. */
  withoutHold: { placements: number; fits: boolean } | null;
  /** Nobody can be evicted for it: `queue priority epoch`. */
  readonly victimless: Set<string>;
  /** Not even with everybody gone is there room beside the held nodes. */
  hopeless: boolean;
}

export class FindingsBook {
  /** By the nodes that the asker is kept off all along; null = none. */
  readonly #books = new Map<Uint8Array | null, Map<Shape, Findings>>();

  of(shape: Shape, keptOff: Uint8Array | null): Findings {
    let book = this.#books.get(keptOff);
    if (book === undefined) this.#books.set(keptOff, (book = new Map()));
    let findings = book.get(shape);
    if (findings === undefined) {
      findings = { anywhere: null, beside: null, withoutHold: null, victimless: new Set(), hopeless: false };
      book.set(shape, findings);
    }
    return findings;
  }
}
