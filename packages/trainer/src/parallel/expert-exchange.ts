/**
 * The journey of tokens to the ranks of their experts and back (Lepikhin et al. 2021, GShard, §3.2). A rank sends each of
 * the group's `size` ranks the rows of that rank's experts, as many to each expert; what arrives lies expert by
 * expert, and within an expert rank by rank. Every rank sends (size − 1) / size of its rows each way.
 */
import type { ProcessGroup } from '../group/index.ts';
import type { Arena } from '../memory/index.ts';

export interface ExpertRows {
  /** Experts of each rank. */
  readonly experts: number;
  /** Elements that a rank sends to one expert. */
  readonly block: number;
}

export class ExpertExchange {
  readonly #group: ProcessGroup;
  readonly #rows: ExpertRows;
  /** What travels, rank by rank; not needed where each has one expert. */
  readonly #staging: Float32Array;

  constructor(group: ProcessGroup, rows: ExpertRows, arena: Arena) {
    this.#group = group;
    this.#rows = rows;
    this.#staging = arena.floats(rows.experts === 1 ? 0 : this.length);
  }

  /** Elements of all rows, here as there. */
  get length(): number {
    return this.#group.size * this.#rows.experts * this.#rows.block;
  }

  /** `rows` of all the group's experts, one after the other, to where they are. */
  async toExperts(rows: Float32Array, into: Float32Array): Promise<void> {
    const arriving = this.#isStaged ? this.#staging : into;
    await this.#group.allToAll(this.#byRank(rows), this.#byRank(arriving));
    if (this.#isStaged) this.#eachBlock((travels, lies) => lies(into).set(travels(arriving)));
  }

  /** The way back: each row to the rank that it came from. */
  async fromExperts(rows: Float32Array, into: Float32Array): Promise<void> {
    const leaving = this.#isStaged ? this.#staging : rows;
    if (this.#isStaged) this.#eachBlock((travels, lies) => travels(leaving).set(lies(rows)));
    await this.#group.allToAll(this.#byRank(leaving), this.#byRank(into));
  }

  get #isStaged(): boolean {
    return this.#rows.experts > 1;
  }

  #byRank(rows: Float32Array): Float32Array[] {
    const { size } = this.#group;
    const each = this.length / size;
    return Array.from({ length: size }, (_, rank) => rows.subarray(rank * each, (rank + 1) * each));
  }

  /** Each block as it travels, rank by rank, and as it lies with its expert. */
  #eachBlock(visit: (travels: Place, lies: Place) => void): void {
    const { experts, block } = this.#rows;
    const { size } = this.#group;
    const at =
      (index: number): Place =>
      (rows) =>
        rows.subarray(index * block, (index + 1) * block);
    for (let rank = 0; rank < size; rank += 1)
      for (let expert = 0; expert < experts; expert += 1)
        visit(at(rank * experts + expert), at(expert * size + rank));
  }
}

type Place = (rows: Float32Array) => Float32Array;
