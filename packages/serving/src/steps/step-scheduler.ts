/**
 * Decides what one forward pass computes: a token of every running sequence, and pieces of waiting prompts in what room
 * is left, so that a long prompt stalls no stream (Sarathi-Serve, OSDI '24, §4). It moves numbers only; an engine
 * executes the plan and says what came out. Every engine with K/V memory is driven by it, whichever form that has.
 *
 * A sequence holds the blocks that its tokens need. One that is preempted keeps its full blocks findable, or they move to
 * the slower tier; what is lost of it is computed again (vLLM, Kwon et al. 2023, §4.5, both of its ways in one).
 */
import { KvBlocks, type BlockId } from '../cache/kv-blocks.ts';
import { FairQueue, type WaitingSequence } from './fair-queue.ts';
import { RunningSequences } from './running-sequences.ts';
import { addGuesses, entriesOf } from './step-entries.ts';
import { StepPace } from './step-pace.ts';
import type { SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';

/** The same prompt as one that is being read: it waits for that, then shares all of it. */
interface Follower {
  readonly next: WaitingSequence;
  readonly leader: string;
}

export class StepScheduler {
  readonly #options: StepSchedulerOptions;
  readonly #kv: KvBlocks;
  readonly #pace: StepPace | undefined;
  readonly #queue = new FairQueue();
  readonly #running: RunningSequences;
  #followers: Follower[] = [];

  constructor(options: StepSchedulerOptions) {
    if (options.blocks * options.tokensPerBlock < options.contextTokens)
      throw new RangeError(
        `${options.blocks} blocks of ${options.tokensPerBlock} do not hold ${options.contextTokens} tokens`,
      );
    this.#options = options;
    this.#kv = new KvBlocks(options);
    this.#running = new RunningSequences(this.#kv, options);
    const { pace, prefillTokens, stepTokens } = options;
    this.#pace = pace && new StepPace({ ...pace, leastTokens: prefillTokens, passTokens: stepTokens });
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.size + this.#followers.length + this.#running.preempted;
  }

  get preemptions(): number {
    return this.#running.preemptions;
  }

  get usedBlocks(): number {
    return this.#kv.usedBlocks;
  }

  get spilledBlocks(): number {
    return this.#kv.spilledBlocks;
  }

  add(start: SequenceStart): void {
    const { contextTokens } = this.#options;
    if (start.tokens.length === 0 || start.tokens.length >= contextTokens)
      throw new RangeError(`a prompt of ${start.tokens.length} tokens does not fit ${contextTokens}`);
    this.#queue.push({ priority: 0, scope: '', variant: '', isScored: false, ...start });
  }

  /** The tokens of this sequence's prompt that needed no computing; undefined while it waits. */
  reusedTokens(id: string): number | undefined {
    return this.#running.begun(id)?.reused;
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
    if (sequence === undefined) return;
    sequence.computed += 1;
    this.#kv.computed(sequence.kv, sequence.computed);
  }

  /** The guesses that were not confirmed are wrong: their room is given back. */
  settle(id: string): void {
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    const placed = this.#kv.sequence(sequence.kv)?.tokens ?? 0;
    if (placed > sequence.computed) this.#kv.truncate(sequence.kv, sequence.computed);
  }

  /** What to compute next; undefined when there is nothing. Each plan is committed or failed before the next. */
  plan(): StepPlan | undefined {
    // Somebody who waits fills a gap for free.
    if (this.queued === 0) this.#kv.compact(this.#options.prefillTokens * 4);
    this.#admit();
    this.#running.placeSampled();
    const { stepTokens } = this.#options;
    const entries = entriesOf(this.#running.ranked(), stepTokens, this.#kv, (generating) =>
      this.#pieceTokens(generating),
    );
    addGuesses(entries, stepTokens, this.#running, this.#kv);
    const moves = this.#kv.takeMoves();
    return entries.length === 0 && moves.length === 0 ? undefined : { moves, entries };
  }

  /** The plan was computed: its tokens are in the K/V memory. */
  commit(plan: StepPlan): void {
    for (const { id, tokens, drafted } of plan.entries) {
      const sequence = this.#running.get(id);
      if (sequence === undefined) continue;
      sequence.computed += tokens.length - drafted;
      this.#kv.computed(sequence.kv, sequence.computed);
      this.#queue.charge(sequence.scope, tokens.length);
    }
  }

  /** How long the pass of these entries took; the size of later ones follows from it. */
  observe(entries: readonly StepEntry[], elapsedMs: number): void {
    const tokens = entries.reduce((sum, entry) => sum + entry.tokens.length, 0);
    this.#pace?.observe(tokens, elapsedMs);
  }

  /** The next token of a sampled entry. False when the context is full: the sequence has to finish. */
  append(id: string, token: number): boolean {
    const sequence = this.#running.get(id);
    if (sequence === undefined) return false;
    sequence.tokens.push(token);
    return sequence.tokens.length < this.#options.contextTokens;
  }

  /** Ends or cancels; what was computed stays for reuse. Unknown ids are ignored. */
  finish(id: string): void {
    if (this.#queue.remove(id)) return;
    this.#followers = this.#followers.filter(({ next }) => next.id !== id);
    this.#running.end(id);
  }

  /** The bytes were lost, wholly or in part: everybody computes again from the tokens. */
  restart({ isTierLost = false } = {}): void {
    this.#running.preemptAll();
    this.#kv.forgetPrefixes();
    if (isTierLost) this.#kv.closeTier();
  }

  /**
   * What was to come into this block did not, from the slower tier: its sequence is computed from its first token. Who
   * that is, if it is still here.
   */
  lose(block: BlockId): string | undefined {
    const sequence = this.#running.ranked().find(({ kv }) => this.#kv.sequence(kv)?.blocks.includes(block));
    if (sequence === undefined) return undefined;
    this.#kv.lose(sequence.kv);
    sequence.computed = 0;
    if (sequence.tokens.length === sequence.promptTokens) sequence.reused = 0;
    return sequence.id;
  }

  /** The slower tier does not have these slots after all. */
  dropSlots(slots: readonly number[]): void {
    this.#kv.dropSlots(slots);
  }

  #pieceTokens(generating: number): number {
    const { prefillTokens, stepTokens } = this.#options;
    if (this.#pace !== undefined) return this.#pace.pieceTokens(generating);
    return generating === 0 ? stepTokens : prefillTokens;
  }

  #admit(): void {
    const followers = this.#followers;
    this.#followers = followers.filter(
      (follower) => this.#isEarly(follower) || !this.#running.start(follower.next),
    );
    this.#running.resume();
    for (;;) {
      const next = this.#queue.peek();
      const before = this.#running.firstPreempted;
      if (next === undefined || (before !== undefined && before.priority >= next.priority)) return;
      // What is copied only is worth waiting for from two pages on.
      const isWorth = this.#kv.canFork || next.tokens.length > 2 * this.#options.tokensPerBlock;
      const leader = isWorth ? this.#running.twinOf(next) : undefined;
      if (leader !== undefined && leader.computed < next.tokens.length - 1) {
        this.#followers.push({ next, leader: leader.id });
        this.#queue.take();
        continue;
      }
      if (!this.#running.start(next)) return;
      this.#queue.take();
    }
  }

  #isEarly({ next, leader }: Follower): boolean {
    const sequence = this.#running.get(leader);
    return sequence !== undefined && sequence.computed < next.tokens.length - 1;
  }
}
