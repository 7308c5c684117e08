/** What the step scheduler remembers of a sequence, who keeps its memory longest, and what a plan computes of it. */
import type { KvBlocks } from '../cache/kv-blocks.ts';
import type { StepEntry } from './step-plan.ts';

export interface StepSequence {
  readonly id: string;
  readonly scope: string;
  /** Who may go on from what it computed. */
  readonly reuseKey: string;
  readonly priority: number;
  /** Smaller came earlier; kept through a preemption. */
  readonly turn: number;
  /** Prompt and generated tokens. */
  readonly tokens: number[];
  /** Of the first prompt, before a preemption. */
  readonly promptTokens: number;
  /** The logits of its prompt are wanted still. */
  isScored: boolean;
  reused: number;
  /** In the block manager. */
  kv: number;
  /** How many of the tokens are in the K/V memory. */
  computed: number;
  /** Guesses for the tokens after the last one; for the next plan only. */
  draft: readonly number[];
}

/** Best first. */
export const byRank = (one: StepSequence, other: StepSequence): number =>
  other.priority - one.priority || one.turn - other.turn;

/** The next `count` tokens of the sequence. */
export function entryOf(sequence: StepSequence, count: number, kv: KvBlocks): StepEntry {
  const end = sequence.computed + count;
  return {
    id: sequence.id,
    table: [...(kv.sequence(sequence.kv)?.blocks ?? [])],
    firstPosition: sequence.computed,
    tokens: sequence.tokens.slice(sequence.computed, end),
    isSampled: end === sequence.tokens.length,
    isScored: sequence.isScored && sequence.computed < sequence.promptTokens,
    drafted: 0,
  };
}

/** Guesses take what room nobody else has a claim to, in the plan and in the memory. */
export function addGuesses(
  entries: StepEntry[],
  stepTokens: number,
  running: ReadonlyMap<string, StepSequence>,
  kv: KvBlocks,
): void {
  let spare = stepTokens - entries.reduce((sum, { tokens }) => sum + tokens.length, 0);
  for (const [at, { id }] of entries.entries()) {
    const sequence = running.get(id) as StepSequence;
    const wanted = sequence.draft.slice(0, Math.max(0, spare));
    sequence.draft = [];
    if (sequence.tokens.length - sequence.computed !== 1) continue;
    const missing = wanted.findIndex((token) => !kv.append(sequence.kv, token));
    const draft = missing === -1 ? wanted : wanted.slice(0, missing);
    if (draft.length === 0) continue;
    const guessed = entryOf(sequence, 1, kv);
    entries[at] = { ...guessed, tokens: [...guessed.tokens, ...draft], drafted: draft.length };
    spare -= draft.length;
  }
}
