/** Names the rank that all wait for: it computes long beside ranks that do the same work. */

export interface Straggler {
  readonly rank: number;
  /** Its time over the median of its like, over the window. */
  readonly slowdown: number;
}

/** One slow step says nothing, nor does one short window: another program had the core. */
const windowSteps = 16;
const windowMs = 2_000;
const slowFrom = 1.5;

export class StragglerWatch {
  readonly #groups: readonly (readonly number[])[];
  #sums = new Map<number, number>();
  #steps = 0;
  /** The slowest of the window before. */
  #suspect: number | undefined;

  /** Ranks of a group do the same work: the same pipeline stage. */
  constructor(groups: readonly (readonly number[])[]) {
    this.#groups = groups.filter(({ length }) => length > 1);
  }

  /**
   * Milliseconds each rank computed in a step; answers after each full window: who was the slowest of its group by far
   * in this one and the one before, `none` where nobody was.
   */
  judge(busyMs: readonly number[]): Straggler | 'none' | undefined {
    for (const [rank, ms] of busyMs.entries()) this.#sums.set(rank, (this.#sums.get(rank) ?? 0) + ms);
    this.#steps += 1;
    if (this.#steps < windowSteps || Math.max(...this.#sums.values()) < windowMs) return undefined;
    const sums = this.#sums;
    this.#sums = new Map();
    this.#steps = 0;
    const worst = this.#worstOf(sums);
    const isAgain = worst !== undefined && worst.rank === this.#suspect;
    this.#suspect = worst?.rank;
    return isAgain ? worst : 'none';
  }

  #worstOf(sums: ReadonlyMap<number, number>): Straggler | undefined {
    let worst: Straggler | undefined;
    for (const group of this.#groups) {
      for (const rank of group) {
        const others = group.filter((other) => other !== rank).map((other) => sums.get(other) ?? 0);
        const usual = others.toSorted((one, other) => one - other)[others.length >> 1] as number;
        const slowdown = (sums.get(rank) ?? 0) / Math.max(usual, 1e-6);
        if (slowdown >= slowFrom && slowdown > (worst?.slowdown ?? 0)) worst = { rank, slowdown };
      }
    }
    return worst;
  }
}
