/**
 * Decides what one forward pass computes: a token of every running sequence, and pieces of waiting prompts
 * in what room is left, so that a long prompt stalls no stream (Sarathi-Serve, OSDI '24, §4). It moves
 * numbers only; a runner executes the plan and says what came out.
 *
 * Slots are places in the model's KV memory. A slot that ended keeps its tokens until another sequence
 * needs it: a later prompt with the same beginning in the same scope continues from them. Running sequences
 * take the lowest slots, because llama.cpp splits a batch at gaps between sequence ids.
 */
import { commonPrefix } from './common-prefix.ts';
import { FairQueue, type WaitingSequence } from './fair-queue.ts';
import { ParkedPrefixes } from './parked-prefixes.ts';
import { entryOf, type Running, type Slot } from './slots.ts';
import type { KvCommand, SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';

export class StepScheduler {
  readonly #options: Required<StepSchedulerOptions>;
  readonly #slots: Slot[];
  readonly #queue = new FairQueue();
  readonly #running = new Map<string, Running>();
  readonly #parked: ParkedPrefixes;
  #step = 0;

  constructor(options: StepSchedulerOptions) {
    this.#options = { copyFromTokens: 32, parkedTokens: 0, parkFromTokens: 64, ...options };
    this.#parked = new ParkedPrefixes(this.#options.parkedTokens, this.#options.parkFromTokens);
    this.#slots = Array.from({ length: options.slots }, () => ({
      tokens: [],
      reuseKey: '',
      lastUsed: 0,
      owner: undefined,
    }));
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Tokens of running sequences in the KV memory. */
  get kvTokensUsed(): number {
    let used = 0;
    for (const { computed } of this.#running.values()) used += computed;
    return used;
  }

  /** Tokens of prefixes in the slower tier. */
  get parkedTokens(): number {
    return this.#parked.tokens;
  }

  add(start: SequenceStart): void {
    if (start.tokens.length === 0 || start.tokens.length >= this.#options.contextTokens) {
      throw new RangeError(
        `a prompt of ${start.tokens.length} tokens does not fit ${this.#options.contextTokens}`,
      );
    }
    this.#queue.push({ priority: 0, scope: '', variant: '', isScored: false, ...start });
  }

  /** The tokens of this sequence's prompt that need no computing; undefined while it waits. */
  reusedTokens(id: string): number | undefined {
    return this.#running.get(id)?.reused;
  }

  /** Sequences that generate, with all their tokens, and how many guesses each has room for. */
  *generating(): Iterable<{
    readonly id: string;
    readonly tokens: readonly number[];
    readonly room: number;
  }> {
    for (const { id, tokens, computed } of this.#running.values())
      if (tokens.length - computed === 1)
        yield { id, tokens, room: this.#options.contextTokens - tokens.length - 1 };
  }

  /** What the next plan may compute beyond the sequence's last token, on the chance that it is right. */
  propose(id: string, draft: readonly number[]): void {
    const sequence = this.#running.get(id);
    if (sequence !== undefined) sequence.draft = draft;
  }

  /** The first guess that was not confirmed yet came true: it is computed already. */
  confirm(id: string): void {
    const sequence = this.#running.get(id);
    if (sequence !== undefined) sequence.computed += 1;
  }

  /** Tokens of the sequence in the KV memory that are right. */
  computedTokens(id: string): number | undefined {
    return this.#running.get(id)?.computed;
  }

  /** What to compute next; undefined when there is nothing. Each plan is committed or failed before the next. */
  plan(): StepPlan | undefined {
    this.#step += 1;
    const commands = [...this.#compact(), ...this.#admit()];
    const entries: StepEntry[] = [];
    let room = this.#options.stepTokens;
    const bySlot = [...this.#running.values()].sort((one, other) => one.slot - other.slot);
    for (const sequence of bySlot) {
      if (sequence.tokens.length - sequence.computed !== 1) continue;
      entries.push(entryOf(sequence, 1));
      room -= 1;
    }
    const prefilling = [...this.#running.values()].filter((one) => one.tokens.length - one.computed > 1);
    if (entries.length > 0) room = Math.min(room, this.#options.prefillTokens);
    for (const sequence of prefilling) {
      if (room <= 0) break;
      const count = Math.min(room, sequence.tokens.length - sequence.computed);
      entries.push(entryOf(sequence, count));
      room -= count;
    }
    if (entries.length === 0 && commands.length === 0) return undefined;
    this.#addGuesses(entries);
    return { commands, entries: entries.sort((one, other) => one.slot - other.slot) };
  }

  /** Guesses take the room that nobody else has a claim to. */
  #addGuesses(entries: StepEntry[]): void {
    let spare = this.#options.stepTokens - entries.reduce((sum, { tokens }) => sum + tokens.length, 0);
    for (const [index, entry] of entries.entries()) {
      const sequence = this.#running.get(entry.id) as Running;
      const draft = sequence.draft.slice(0, Math.max(0, spare));
      sequence.draft = [];
      if (draft.length === 0 || sequence.tokens.length - sequence.computed !== 1) continue;
      entries[index] = { ...entry, tokens: [...entry.tokens, ...draft], drafted: draft.length };
      spare -= draft.length;
    }
  }

  /** The plan was computed: its tokens are in the KV memory. */
  commit(plan: StepPlan): void {
    for (const { id, slot, tokens, drafted } of plan.entries) {
      const sequence = this.#running.get(id);
      if (sequence?.slot !== slot) continue;
      sequence.computed += tokens.length - drafted;
      this.#queue.charge(sequence.scope, tokens.length);
    }
  }

  /** The next token of a sampled entry. False when the context is full: the sequence has to finish. */
  append(id: string, token: number): boolean {
    const sequence = this.#running.get(id);
    if (sequence === undefined) return false;
    sequence.tokens.push(token);
    return sequence.tokens.length < this.#options.contextTokens;
  }

  /** Ends or cancels; the slot's tokens stay for reuse. Unknown ids are ignored. */
  finish(id: string): void {
    if (this.#queue.remove(id)) return;
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    this.#running.delete(id);
    const slot = this.#slotAt(sequence.slot);
    slot.owner = undefined;
    slot.tokens = sequence.tokens.slice(0, sequence.computed);
    slot.reuseKey = sequence.reuseKey;
    slot.lastUsed = this.#step;
  }

  /** The runner lost the slot's content (a failed pass): nothing may be reused from it. */
  forget(slotId: number): void {
    const slot = this.#slotAt(slotId);
    if (slot.owner !== undefined) {
      slot.owner.computed = 0;
      this.finish(slot.owner.id);
    }
    slot.tokens = [];
  }

  /** Fills holes below the highest running slot by moving that sequence down. */
  /** The slower tier does not have this place after all. */
  unpark(place: number): void {
    this.#parked.forget(place);
  }

  /** What the sequence was to go on from could not be had: it is computed from its first token. */
  recompute(id: string): void {
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    sequence.computed = 0;
    sequence.reused = 0;
  }

  #compact(): KvCommand[] {
    const commands: KvCommand[] = [];
    // A waiting sequence fills the hole for free.
    if (this.#queue.size > 0) return commands;
    for (;;) {
      const hole = this.#slots.findIndex(({ owner }) => owner === undefined);
      const top = this.#slots.findLastIndex(({ owner }) => owner !== undefined);
      if (hole === -1 || hole > top) return commands;
      const from = this.#slotAt(top);
      const moved = from.owner as Running;
      // Moving copies the KV memory; with few sequences or much memory the gap costs less than the copy.
      if (this.#running.size < 3 || moved.computed > this.#options.prefillTokens * 4) return commands;
      const to = this.#slotAt(hole);
      if (moved.computed > 0) commands.push({ kind: 'copy', from: top, to: hole, tokens: moved.computed });
      else commands.push({ kind: 'truncate', slot: hole, tokens: 0 });
      from.owner = undefined;
      from.tokens = moved.tokens.slice(0, moved.computed);
      from.reuseKey = moved.reuseKey;
      from.lastUsed = this.#step;
      to.owner = moved;
      to.reuseKey = moved.reuseKey;
      moved.slot = hole;
    }
  }

  #admit(): KvCommand[] {
    const commands: KvCommand[] = [];
    while (this.#running.size < this.#slots.length) {
      const next = this.#queue.take();
      if (next === undefined) break;
      commands.push(...this.#place(next));
    }
    return commands;
  }

  #place(next: WaitingSequence): KvCommand[] {
    const reuseKey = `${next.variant}\n${next.scope}`;
    // The last prompt token is always computed: its logits give the first new token.
    const reusable = (slot: Slot): number => {
      if (slot.reuseKey !== reuseKey || next.isScored) return 0;
      const held = slot.owner === undefined ? slot.tokens : slot.owner.tokens;
      const limit = slot.owner === undefined ? held.length : slot.owner.computed;
      return Math.min(commonPrefix(held, next.tokens), limit, next.tokens.length - 1);
    };
    const matches = this.#slots.map(reusable);
    const free = this.#slots.flatMap(({ owner }, id) => (owner === undefined ? [id] : []));
    const best = matches.indexOf(Math.max(...matches));
    const match = matches[best] as number;
    const copyFrom = this.#options.copyFromTokens;
    let target = free[0] as number;
    // The slot that holds the prefix, when it is free and no lower slot is left behind as a hole.
    if (match > 0 && free.includes(best) && (best === target || this.#running.size < 2)) target = best;
    else if (match < copyFrom && free.length > 1) target = this.#coldest(free);
    const own = matches[target] as number;
    // Held first, so that what leaves the slot cannot push it out.
    this.#parked.use(this.#parked.find(reuseKey, next.tokens).place);
    const leaving = this.#park(target, own);
    const parked = next.isScored ? nothingParked : this.#parked.find(reuseKey, next.tokens);
    const stored = Math.min(parked.match, next.tokens.length - 1);
    const isRestored = stored >= Math.max(match, own) + copyFrom;
    const isCopied = !isRestored && best !== target && match >= copyFrom && match > own;
    const reused = isRestored ? stored : isCopied ? match : own;
    const slot = this.#slotAt(target);
    const sequence: Running = {
      id: next.id,
      scope: next.scope,
      reuseKey,
      slot: target,
      tokens: [...next.tokens],
      computed: reused,
      reused,
      scoredTokens: next.isScored ? next.tokens.length : 0,
      draft: [],
    };
    slot.owner = sequence;
    slot.tokens = [];
    slot.reuseKey = reuseKey;
    slot.lastUsed = this.#step;
    this.#running.set(next.id, sequence);
    const restore = {
      kind: 'restore',
      place: parked.place,
      slot: target,
      tokens: reused,
      id: next.id,
    } as const;
    if (isRestored) return [...leaving, restore];
    return isCopied
      ? [...leaving, { kind: 'copy', from: best, to: target, tokens: reused }]
      : [...leaving, { kind: 'truncate', slot: target, tokens: reused }];
  }

  /** What the slot holds, beyond the tokens that stay, is about to be lost. */
  #park(id: number, stays: number): KvCommand[] {
    const { tokens, reuseKey } = this.#slotAt(id);
    if (tokens.length <= stays) return [];
    const parked = this.#parked.park(reuseKey, tokens);
    return parked === undefined ? [] : [{ kind: 'park', slot: id, tokens, ...parked }];
  }

  /** Among the slots that keep running ids compact, the one whose cache was used longest ago. */
  #coldest(free: readonly number[]): number {
    const compact = free.filter((id) => id <= this.#running.size);
    const candidates = compact.length > 0 ? compact : free.slice(0, 1);
    return candidates.reduce((coldest, id) =>
      this.#slotAt(id).lastUsed < this.#slotAt(coldest).lastUsed ? id : coldest,
    );
  }

  #slotAt(id: number): Slot {
    return this.#slots[id] as Slot;
  }
}

const nothingParked = { place: -1, match: 0 };
