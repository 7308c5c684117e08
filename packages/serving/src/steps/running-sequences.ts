/**
 * Who holds K/V memory: the sequences that run, and those that had to give theirs up and go on before anybody new of
 * their priority. What a start or a sampled token needs is taken from whoever ranks last: of the lowest priority the one
 * that came last (vLLM, Kwon et al. 2023, §4.5).
 */
import type { KvBlocks } from '../cache/kv-blocks.ts';
import { commonPrefix } from './common-prefix.ts';
import type { WaitingSequence } from './fair-queue.ts';
import type { StepSchedulerOptions } from './step-plan.ts';
import { byRank, reuseKeyOf, type StepSequence } from './step-sequence.ts';

export class RunningSequences {
  readonly #kv: KvBlocks;
  readonly #most: Pick<StepSchedulerOptions, 'sequences' | 'blocks'>;
  readonly #running = new Map<string, StepSequence>();
  readonly #preempted: StepSequence[] = [];
  #turn = 0;
  /** So many times a sequence lost its memory. */
  preemptions = 0;

  constructor(kv: KvBlocks, most: Pick<StepSchedulerOptions, 'sequences' | 'blocks'>) {
    this.#kv = kv;
    this.#most = most;
  }

  get size(): number {
    return this.#running.size;
  }

  /** How many wait for memory to go on. */
  get preempted(): number {
    return this.#preempted.length;
  }

  /** Nobody new of its priority starts before it. */
  get firstPreempted(): StepSequence | undefined {
    return this.#preempted[0];
  }

  get(id: string): StepSequence | undefined {
    return this.#running.get(id);
  }

  /** Running or preempted. */
  begun(id: string): StepSequence | undefined {
    return this.#running.get(id) ?? this.#preempted.find((one) => one.id === id);
  }

  values(): Iterable<StepSequence> {
    return this.#running.values();
  }

  /** Best first: who keeps its memory longest. */
  ranked(): StepSequence[] {
    return [...this.#running.values()].sort(byRank);
  }

  /** A running sequence with the same prompt in the same scope. */
  twinOf({ tokens, isScored, ...next }: WaitingSequence): StepSequence | undefined {
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

  /** False when there is no place for it, also after taking that of lower priorities. */
  start(next: WaitingSequence): boolean {
    const { tokens, scope, isScored } = next;
    const reuseKey = reuseKeyOf(next);
    const twin = this.#kv.canFork ? this.twinOf(next) : undefined;
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

  /** As many of the preempted as have room go on, best first. */
  resume(): void {
    while (this.#preempted.length > 0) {
      const [first] = this.#preempted.sort(byRank);
      if (first === undefined || !this.#goOn(first)) return;
      this.#preempted.shift();
    }
  }

  /** A place for each token that was sampled, the first in rank before the last. */
  placeSampled(): void {
    for (const sequence of this.ranked()) {
      while (this.#running.has(sequence.id)) {
        const placed = this.#kv.sequence(sequence.kv)?.tokens ?? 0;
        const token = sequence.tokens[placed];
        if (token === undefined) break;
        if (!this.#kv.append(sequence.kv, token)) this.#preempt(this.ranked().at(-1) as StepSequence);
      }
    }
  }

  /** All compute again from their tokens, in the order that they have now. */
  preemptAll(): void {
    for (const sequence of this.ranked().toReversed()) this.#preempt(sequence);
  }

  /** What was computed stays for reuse. Unknown ids are ignored. */
  end(id: string): void {
    const at = this.#preempted.findIndex((one) => one.id === id);
    if (at !== -1) this.#preempted.splice(at, 1);
    const sequence = this.#running.get(id);
    if (sequence === undefined) return;
    this.#running.delete(id);
    this.#kv.close(sequence.kv);
  }

  /** All blocks of the twin up to the last token of the prompt, which is computed for its logits. */
  #share(
    twin: StepSequence,
    tokens: readonly number[],
  ): { readonly id: number; readonly cachedTokens: number } | undefined {
    const id = this.#kv.fork(twin.kv);
    this.#kv.truncate(id, tokens.length - 1);
    if (this.#kv.append(id, tokens.at(-1) as number)) return { id, cachedTokens: tokens.length - 1 };
    this.#kv.close(id);
    return undefined;
  }

  #goOn(sequence: StepSequence): boolean {
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
      const hasPlace = this.#running.size < this.#most.sequences;
      const reserve = Math.min(this.#running.size, this.#most.blocks - blocks);
      if (hasPlace && this.#kv.hasRoom(blocks, Math.max(0, reserve))) return true;
      const last = this.ranked().at(-1);
      if (last === undefined || last.priority >= priority) return hasPlace && this.#running.size === 0;
      this.#preempt(last);
    }
  }

  #preempt(sequence: StepSequence): void {
    this.#running.delete(sequence.id);
    this.#kv.close(sequence.kv);
    this.#preempted.push(sequence);
    this.preemptions += 1;
  }
}
