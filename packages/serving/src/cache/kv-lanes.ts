/**
 * Memory that an engine has cut into lanes: a sequence lies in one of them from its beginning on, block after block, and
 * what it shares with another it has to copy. Says whose each lane is and which one the next sequence gets. Numbers only.
 */
import type { BlockId } from './kv-blocks.ts';

export interface LanesOptions {
  /** Of one lane: a sequence has no more. */
  readonly blocksEach: number;
  /** So many blocks are worth a copy or a way out of the slower tier; fewer are computed as quickly. Default 2. */
  readonly copyFromBlocks?: number;
  /** A shorter prefix does not go to the slower tier; default 4. */
  readonly spillFromBlocks?: number;
}

/** Where a sequence goes on. */
export interface LanePlace {
  readonly lane: number;
  /** Leading blocks that lie there already. */
  readonly own: number;
  /** Leading blocks that need no computing, with what is copied or fetched. */
  readonly reused: number;
  /** Where the others are copied from. */
  readonly from: number;
}

export class KvLanes {
  readonly blocksEach: number;
  readonly spillFromBlocks: number;
  readonly #copyFromBlocks: number;
  /** The sequence in each. */
  readonly #owners: (number | undefined)[];
  readonly #releasedAt: number[];
  #releases = 0;

  constructor(blocks: number, { blocksEach, copyFromBlocks = 2, spillFromBlocks = 4 }: LanesOptions) {
    if (blocks % blocksEach !== 0) throw new RangeError(`${blocks} blocks make no lanes of ${blocksEach}`);
    this.blocksEach = blocksEach;
    this.spillFromBlocks = spillFromBlocks;
    this.#copyFromBlocks = copyFromBlocks;
    const lanes = blocks / blocksEach;
    this.#owners = Array.from({ length: lanes }, () => undefined);
    this.#releasedAt = Array.from({ length: lanes }, () => 0);
  }

  get count(): number {
    return this.#owners.length;
  }

  get hasFree(): boolean {
    return this.#owners.includes(undefined);
  }

  get taken(): number {
    return this.#owners.filter((owner) => owner !== undefined).length;
  }

  /** The block with this place in the lane, from 0. */
  blockAt(lane: number, index: number): BlockId {
    return lane * this.blocksEach + index;
  }

  laneOf(block: BlockId): number {
    return Math.floor(block / this.blocksEach);
  }

  /** The lane is this sequence's until it is released. It must be free. */
  take(lane: number, sequence: number): void {
    this.#owners[lane] = sequence;
  }

  /** What lies in it stays, to be gone on from. */
  release(lane: number): void {
    this.#owners[lane] = undefined;
    this.#releasedAt[lane] = ++this.#releases;
  }

  /** A free lane between those that are taken, and who could move down into it. */
  hole(): { readonly from: number; readonly to: number; readonly sequence: number } | undefined {
    const first = this.#owners.findIndex((owner) => owner !== undefined);
    const from = this.#owners.findLastIndex((owner) => owner !== undefined);
    const to = this.#together().find((lane) => first !== -1 && lane > first && lane < from);
    return to === undefined ? undefined : { from, to, sequence: this.#owners[from] as number };
  }

  /** `held[lane]`: leading blocks that lie there; `known`: those that can be had at all. There must be a free lane. */
  place(held: readonly number[], known: number): LanePlace {
    const most = Math.max(...held);
    const best = held.indexOf(most);
    const candidates = this.#together();
    const lane = most > 0 && candidates.includes(best) ? best : this.#coldest(candidates);
    const own = held[lane] as number;
    if (known >= Math.max(most, own) + this.#copyFromBlocks) return { lane, own, reused: known, from: best };
    const isCopied = best !== lane && most >= this.#copyFromBlocks && most > own;
    return { lane, own, reused: isCopied ? most : own, from: best };
  }

  /** Free lanes that leave no new gap between those that are taken: an engine may split a pass there. */
  #together(): readonly number[] {
    const free = [...this.#owners.keys()].filter((lane) => this.#owners[lane] === undefined);
    const first = this.#owners.findIndex((owner) => owner !== undefined);
    if (first === -1) return free;
    const last = this.#owners.findLastIndex((owner) => owner !== undefined);
    const inside = free.filter((lane) => lane > first && lane < last);
    return inside.length > 0 ? inside : free.filter((lane) => lane === first - 1 || lane === last + 1);
  }

  /** The one that was left longest ago. */
  #coldest(lanes: readonly number[]): number {
    const leftAt = (lane: number): number => this.#releasedAt[lane] as number;
    return lanes.reduce((coldest, lane) => (leftAt(lane) < leftAt(coldest) ? lane : coldest));
  }
}
