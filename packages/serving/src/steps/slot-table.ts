/**
 * The slots of an engine whose K/V memory is cut into one place a sequence, and what each still holds. A slot that ended
 * keeps its tokens until another sequence needs it: a prompt with the same beginning in the same scope goes on from
 * them, from a copy of them, or from where they were parked when they had to leave.
 */
import { commonPrefix } from './common-prefix.ts';
import { ParkedPrefixes } from './parked-prefixes.ts';
import type { Running, Slot } from './slots.ts';
import type { KvCommand, StepSchedulerOptions } from './step-plan.ts';

export class SlotTable {
  readonly #options: Required<StepSchedulerOptions>;
  readonly #slots: Slot[];
  readonly #parked: ParkedPrefixes;

  constructor(options: Required<StepSchedulerOptions>) {
    this.#options = options;
    this.#parked = new ParkedPrefixes(options.parkedTokens, options.parkFromTokens);
    this.#slots = Array.from({ length: options.slots }, () => ({
      tokens: [],
      reuseKey: '',
      lastUsed: 0,
      owner: undefined,
    }));
  }

  get hasFree(): boolean {
    return this.#slots.some(({ owner }) => owner === undefined);
  }

  /** Tokens of prefixes in the slower tier. */
  get parkedTokens(): number {
    return this.#parked.tokens;
  }

  /** The slower tier does not have this place after all. */
  unpark(place: number): void {
    this.#parked.forget(place);
  }

  /** The sequence leaves; what it computed stays until somebody else needs the slot. */
  release(sequence: Running, step: number): void {
    const slot = this.#at(sequence.slot);
    slot.owner = undefined;
    slot.tokens = sequence.tokens.slice(0, sequence.computed);
    slot.reuseKey = sequence.reuseKey;
    slot.lastUsed = step;
  }

  ownerOf(slot: number): Running | undefined {
    return this.#at(slot).owner;
  }

  /** The runner lost what the slot holds. */
  forget(slot: number): void {
    this.#at(slot).tokens = [];
  }

  /** Moves sequences down into holes below the highest that runs: llama.cpp splits a batch at gaps between ids. */
  compact(step: number): KvCommand[] {
    const commands: KvCommand[] = [];
    for (;;) {
      const hole = this.#slots.findIndex(({ owner }) => owner === undefined);
      const top = this.#slots.findLastIndex(({ owner }) => owner !== undefined);
      if (hole === -1 || hole > top) return commands;
      const from = this.#at(top);
      const moved = from.owner as Running;
      // Moving copies the K/V memory; with few sequences or much memory the gap costs less than the copy.
      if (this.#running < 3 || moved.computed > this.#options.prefillTokens * 4) return commands;
      const to = this.#at(hole);
      if (moved.computed > 0) commands.push({ kind: 'copy', from: top, to: hole, tokens: moved.computed });
      else commands.push({ kind: 'truncate', slot: hole, tokens: 0 });
      this.release(moved, step);
      to.owner = moved;
      to.reuseKey = moved.reuseKey;
      moved.slot = hole;
    }
  }

  /**
   * Gives the sequence a free slot, with as much of it computed as can be had from anywhere; sets its `slot` and
   * `computed`. There must be a free slot.
   */
  place(sequence: Running, mayReuse: boolean, step: number): KvCommand[] {
    const { id, reuseKey, tokens } = sequence;
    // The last token is always computed: its logits give the next one.
    const reusable = (slot: Slot): number => {
      if (slot.reuseKey !== reuseKey || !mayReuse) return 0;
      const held = slot.owner === undefined ? slot.tokens : slot.owner.tokens;
      const limit = slot.owner === undefined ? held.length : slot.owner.computed;
      return Math.min(commonPrefix(held, tokens), limit, tokens.length - 1);
    };
    const matches = this.#slots.map(reusable);
    const free = this.#slots.flatMap(({ owner }, at) => (owner === undefined ? [at] : []));
    const best = matches.indexOf(Math.max(...matches));
    const match = matches[best] as number;
    const copyFrom = this.#options.copyFromTokens;
    let target = free[0] as number;
    // The slot that holds the prefix, when it is free and no lower slot is left behind as a hole.
    if (match > 0 && free.includes(best) && (best === target || this.#running < 2)) target = best;
    else if (match < copyFrom && free.length > 1) target = this.#coldest(free);
    const own = matches[target] as number;
    // Held first, so that what leaves the slot cannot push it out.
    this.#parked.use(this.#parked.find(reuseKey, tokens).place);
    const leaving = this.#park(target, own);
    const parked = mayReuse ? this.#parked.find(reuseKey, tokens) : nothingParked;
    const stored = Math.min(parked.match, tokens.length - 1);
    const isRestored = stored >= Math.max(match, own) + copyFrom;
    const isCopied = !isRestored && best !== target && match >= copyFrom && match > own;
    const computed = isRestored ? stored : isCopied ? match : own;
    const slot = this.#at(target);
    slot.owner = sequence;
    slot.tokens = [];
    slot.reuseKey = reuseKey;
    slot.lastUsed = step;
    sequence.slot = target;
    sequence.computed = computed;
    if (isRestored)
      return [...leaving, { kind: 'restore', place: parked.place, slot: target, tokens: computed, id }];
    return isCopied
      ? [...leaving, { kind: 'copy', from: best, to: target, tokens: computed }]
      : [...leaving, { kind: 'truncate', slot: target, tokens: computed }];
  }

  get #running(): number {
    return this.#slots.filter(({ owner }) => owner !== undefined).length;
  }

  /** What the slot holds, beyond the tokens that stay, is about to be lost. */
  #park(id: number, stays: number): KvCommand[] {
    const { tokens, reuseKey } = this.#at(id);
    if (tokens.length <= stays) return [];
    const parked = this.#parked.park(reuseKey, tokens);
    return parked === undefined ? [] : [{ kind: 'park', slot: id, tokens, ...parked }];
  }

  /** Among the slots that keep running ids compact, the one whose cache was used longest ago. */
  #coldest(free: readonly number[]): number {
    const compact = free.filter((id) => id <= this.#running);
    const candidates = compact.length > 0 ? compact : free.slice(0, 1);
    return candidates.reduce((coldest, id) =>
      this.#at(id).lastUsed < this.#at(coldest).lastUsed ? id : coldest,
    );
  }

  #at(id: number): Slot {
    return this.#slots[id] as Slot;
  }
}

const nothingParked = { place: -1, match: 0 };
