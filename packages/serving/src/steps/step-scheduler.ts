/**
 * Decides what one forward pass computes: a token of every running sequence, and pieces of waiting prompts in what room
 * is left, so that a long prompt stalls no stream (Sarathi-Serve, OSDI '24, §4). It moves numbers only; an engine
 * executes the plan and says what came out. Every engine with K/V memory is driven by it, whichever form that has.
 *
 * A sequence holds the blocks that its tokens need. When memory runs out, or a higher priority finds no place, the
 * sequence that came last of the lowest priority is preempted: its full blocks stay findable or move to the slower tier,
 * and what is lost of it is computed again (vLLM, Kwon et al. 2023, §4.5, both of its ways in one).
 */
import { KvBlocks, type BlockId } from '../cache/kv-blocks.ts';
import { commonPrefix } from './common-prefix.ts';
import { FairQueue, type WaitingSequence } from './fair-queue.ts';
import { addGuesses, entriesOf } from './step-entries.ts';
import { StepPace } from './step-pace.ts';
import type { SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';
import { byRank, reuseKeyOf, type StepSequence as Running } from './step-sequence.ts';

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
  readonly #running = new Map<string, Running>();
  #followers: Follower[] = [];
  /** They go on before anybody new of their priority. */
  readonly #preempted: Running[] = [];
  #turn = 0;
  preemptions = 0;

  constructor(options: StepSchedulerOptions) {
    if (options.blocks * options.tokensPerBlock < options.contextTokens)
      throw new RangeError(
        `${options.blocks} blocks of ${options.tokensPerBlock} do not hold ${options.contextTokens} tokens`,
      );
    this.#options = options;
    this.#kv = new KvBlocks(options);
    const { pace, prefillTokens, stepTokens } = options;
    this.#pace = pace && new StepPace({ ...pace, leastTokens: prefillTokens, passTokens: stepTokens });
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.size + this.#followers.length + this.#preempted.length;
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
    this.#makeRoom();
    const { stepTokens } = this.#options;
    const entries = entriesOf(this.#ranked(), stepTokens, this.#kv, (generating) =>
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
    const at = this.#preempted.findIndex((one) => one.id === id);
    if (at !== -1) this.#preempted.splice(at, 1);
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    this.#running.delete(id);
    this.#kv.close(sequence.kv);
  }

  /** The bytes were lost, wholly or in part: everybody computes again from the tokens. */
  restart({ isTierLost = false } = {}): void {
    for (const sequence of this.#ranked().toReversed()) this.#preempt(sequence);
    this.#kv.forgetPrefixes();
    if (isTierLost) this.#kv.closeTier();
  }

  /**
   * What was to come into this block did not, from the slower tier: its sequence is computed from its first token. Who
   * that is, if it is still here.
   */
  lose(block: BlockId): string | undefined {
    const sequence = this.#ranked().find(({ kv }) => this.#kv.sequence(kv)?.blocks.includes(block));
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

  /** Best first: who keeps its memory longest. */
  #ranked(): Running[] {
    return [...this.#running.values()].sort(byRank);
  }

  #admit(): void {
    const followers = this.#followers;
    this.#followers = followers.filter((follower) => this.#isEarly(follower) || !this.#start(follower.next));
    while (this.#preempted.length > 0) {
      const [first] = this.#preempted.sort(byRank);
      if (first === undefined || !this.#resume(first)) break;
      this.#preempted.shift();
    }
    for (;;) {
      const next = this.#queue.peek();
      const before = this.#preempted[0];
      if (next === undefined || (before !== undefined && before.priority >= next.priority)) return;
      // What is copied only is worth waiting for from two pages on.
      const isWorth = this.#kv.canFork || next.tokens.length > 2 * this.#options.tokensPerBlock;
      const leader = isWorth ? this.#twinOf(next) : undefined;
      if (leader !== undefined && leader.computed < next.tokens.length - 1) {
        this.#followers.push({ next, leader: leader.id });
        this.#queue.take();
        continue;
      }
      if (!this.#start(next)) return;
      this.#queue.take();
    }
  }

  #isEarly({ next, leader }: Follower): boolean {
    const sequence = this.#running.get(leader);
    return sequence !== undefined && sequence.computed < next.tokens.length - 1;
  }

  /** A running sequence with the same prompt in the same scope. */
  #twinOf({ tokens, isScored, ...next }: WaitingSequence): Running | undefined {
    if (isScored) return undefined;
    const reuseKey = reuseKeyOf(next);
    for (const one of this.#running.values())
      if (
        one.reuseKey === reuseKey &&
        one.promptTokens === tokens.length &&
        commonPrefix(one.tokens, tokens) === tokens.length
      )
        return one;
    return undefined;
  }

  #start(next: WaitingSequence): boolean {
    const { tokens, scope, isScored } = next;
    const reuseKey = reuseKeyOf(next);
    const twin = this.#kv.canFork ? this.#twinOf(next) : undefined;
    const isShared = twin !== undefined && twin.computed >= tokens.length - 1;
    const needed = isShared ? 1 : this.#kv.need(tokens, reuseKey, !isScored).blocks;
    if (!this.#hasRoom(needed, next.priority)) return false;
    // Making room may have preempted the twin: then the prefix index has all of its full blocks.
    const opened =
      isShared && this.#running.has(twin.id)
        ? this.#share(twin, tokens)
        : this.#kv.open(tokens, reuseKey, !isScored);
    if (opened === undefined) return false;
    this.#running.set(next.id, {
      id: next.id,
      scope,
      reuseKey,
      priority: next.priority,
      turn: this.#turn++,
      tokens: [...tokens],
      promptTokens: tokens.length,
      isScored,
      reused: opened.cachedTokens,
      kv: opened.id,
      computed: opened.cachedTokens,
      draft: [],
    });
    return true;
  }

  /** All blocks of the twin up to the last token of the prompt, which is computed for its logits. */
  #share(
    twin: Running,
    tokens: readonly number[],
  ): { readonly id: number; readonly cachedTokens: number } | undefined {
    const id = this.#kv.fork(twin.kv);
    this.#kv.truncate(id, tokens.length - 1);
    if (this.#kv.append(id, tokens.at(-1) as number)) return { id, cachedTokens: tokens.length - 1 };
    this.#kv.close(id);
    return undefined;
  }

  #resume(sequence: Running): boolean {
    const { tokens, reuseKey } = sequence;
    // The log probabilities of a prompt are told once; until then nothing of it is skipped.
    if (sequence.computed >= sequence.promptTokens) sequence.isScored = false;
    const mayReuse = !sequence.isScored;
    if (!this.#hasRoom(this.#kv.need(tokens, reuseKey, mayReuse).blocks, sequence.priority)) return false;
    const opened = this.#kv.open(tokens, reuseKey, mayReuse);
    if (opened === undefined) return false;
    sequence.kv = opened.id;
    sequence.computed = opened.cachedTokens;
    this.#running.set(sequence.id, sequence);
    return true;
  }

  /** Beside a block that each running sequence may want next. Takes it from lower priorities if need be. */
  #hasRoom(blocks: number, priority: number): boolean {
    for (;;) {
      const hasPlace = this.#running.size < this.#options.sequences;
      const reserve = Math.min(this.#running.size, this.#options.blocks - blocks);
      if (hasPlace && this.#kv.hasRoom(blocks, Math.max(0, reserve))) return true;
      const last = this.#ranked().at(-1);
      if (last === undefined || last.priority >= priority) return hasPlace && this.#running.size === 0;
      this.#preempt(last);
    }
  }

  /** A place for each token that was sampled, the first in rank before the last. */
  #makeRoom(): void {
    for (const sequence of this.#ranked()) {
      while (this.#running.has(sequence.id)) {
        const placed = this.#kv.sequence(sequence.kv)?.tokens ?? 0;
        const token = sequence.tokens[placed];
        if (token === undefined) break;
        if (!this.#kv.append(sequence.kv, token)) this.#preempt(this.#ranked().at(-1) as Running);
      }
    }
  }

  #preempt(sequence: Running): void {
    this.#running.delete(sequence.id);
    this.#kv.close(sequence.kv);
    this.#preempted.push(sequence);
    this.preemptions += 1;
  }
}
