/**
 * Decides what one forward pass computes: a token of every running sequence, and pieces of waiting prompts
 * in what room is left, so that a long prompt stalls no stream (Sarathi-Serve, OSDI '24, §4). It moves
 * numbers only; a runner executes the plan and says what came out.
 *
 * Slots are places in the model's K/V memory, and they are all of it. Where there is none left for somebody of a higher
 * priority, the running sequence of the lowest that came last is preempted: it goes on as any prompt would, from what
 * is still in a slot or was parked of it, and the rest is computed again, so its tokens are what they would have been.
 */
import { FairQueue, type WaitingSequence } from './fair-queue.ts';
import { SlotTable } from './slot-table.ts';
import { entryOf, startOf, type Running } from './slots.ts';
import type { KvCommand, SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';

export class StepScheduler {
  readonly #options: Required<StepSchedulerOptions>;
  readonly #slots: SlotTable;
  readonly #queue = new FairQueue();
  readonly #running = new Map<string, Running>();
  /** They go on before anybody new of their priority. */
  readonly #preempted: Running[] = [];
  #step = 0;
  #turn = 0;
  preemptions = 0;

  constructor(options: StepSchedulerOptions) {
    this.#options = { copyFromTokens: 32, parkedTokens: 0, parkFromTokens: 64, ...options };
    this.#slots = new SlotTable(this.#options);
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.size + this.#preempted.length;
  }

  /** Tokens of running sequences in the KV memory. */
  get kvTokensUsed(): number {
    let used = 0;
    for (const { computed } of this.#running.values()) used += computed;
    return used;
  }

  /** Tokens of prefixes in the slower tier. */
  get parkedTokens(): number {
    return this.#slots.parkedTokens;
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
    return (this.#running.get(id) ?? this.#preempted.find((one) => one.id === id))?.reused;
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
    // Somebody who waits fills a hole for free.
    const commands = [...(this.queued === 0 ? this.#slots.compact(this.#step) : []), ...this.#admit()];
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
    const at = this.#preempted.findIndex((one) => one.id === id);
    if (at !== -1) this.#preempted.splice(at, 1);
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    this.#running.delete(id);
    this.#slots.release(sequence, this.#step);
  }

  /** The runner lost the slot's content (a failed pass): nothing may be reused from it. */
  forget(slot: number): void {
    const owner = this.#slots.ownerOf(slot);
    if (owner !== undefined) this.finish(owner.id);
    this.#slots.forget(slot);
  }

  /** The slower tier does not have this place after all. */
  unpark(place: number): void {
    this.#slots.unpark(place);
  }

  /** What the sequence was to go on from could not be had: it is computed from its first token. */
  recompute(id: string): void {
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    sequence.computed = 0;
    if (sequence.tokens.length === sequence.promptTokens) sequence.reused = 0;
  }

  #admit(): KvCommand[] {
    const commands: KvCommand[] = [];
    for (;;) {
      const waiting = this.#preempted.sort(byRank)[0];
      const fresh = this.#queue.peek();
      const isFresh = fresh !== undefined && (waiting === undefined || fresh.priority > waiting.priority);
      const next = isFresh ? fresh : waiting;
      if (next === undefined || !this.#hasSlot(next.priority)) return commands;
      if (isFresh) {
        this.#queue.take();
        commands.push(...this.#start(fresh));
      } else {
        this.#preempted.shift();
        commands.push(...this.#resume(next as Running));
      }
    }
  }

  #start(next: WaitingSequence): KvCommand[] {
    const sequence = startOf(next, this.#turn++);
    const commands = this.#slots.place(sequence, !next.isScored, this.#step);
    sequence.reused = sequence.computed;
    this.#running.set(next.id, sequence);
    return commands;
  }

  #resume(sequence: Running): KvCommand[] {
    // The log probabilities of a prompt are told once; until then nothing of it is skipped.
    if (sequence.computed >= sequence.scoredTokens) sequence.scoredTokens = 0;
    this.#running.set(sequence.id, sequence);
    return this.#slots.place(sequence, sequence.scoredTokens === 0, this.#step);
  }

  /** A free slot, if need be that of a lower priority. */
  #hasSlot(priority: number): boolean {
    if (this.#slots.hasFree) return true;
    const last = [...this.#running.values()].sort(byRank).at(-1);
    if (last === undefined || last.priority >= priority) return false;
    this.#running.delete(last.id);
    this.#slots.release(last, this.#step);
    this.#preempted.push(last);
    this.preemptions += 1;
    return true;
  }
}

/** Best first. */
const byRank = (one: Running, other: Running): number =>
  other.priority - one.priority || one.turn - other.turn;
