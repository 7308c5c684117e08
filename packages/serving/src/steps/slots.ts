/** What the step scheduler remembers of a sequence and of a slot. */
import type { WaitingSequence } from './fair-queue.ts';
import type { StepEntry } from './step-plan.ts';

export interface Running {
  readonly id: string;
  readonly scope: string;
  /** Who may continue from what it computed. */
  readonly reuseKey: string;
  readonly priority: number;
  /** Smaller came earlier; kept through a preemption. */
  readonly turn: number;
  slot: number;
  /** Prompt and generated tokens. */
  readonly tokens: number[];
  /** How many of them are in the KV memory. */
  computed: number;
  reused: number;
  readonly promptTokens: number;
  /** Prompt tokens whose logits are still wanted: all or none. */
  scoredTokens: number;
  /** Guesses for the tokens after the last one; for the next plan only. */
  draft: readonly number[];
}

export interface Slot {
  /** What its KV memory holds, in order; the sequence's own while one runs there. */
  tokens: readonly number[];
  reuseKey: string;
  lastUsed: number;
  owner: Running | undefined;
}

/** Before it has a slot. */
export function startOf(next: WaitingSequence, turn: number): Running {
  const { id, scope, variant, priority, tokens, isScored } = next;
  return {
    id,
    scope,
    reuseKey: `${variant}\n${scope}`,
    priority,
    turn,
    slot: -1,
    tokens: [...tokens],
    computed: 0,
    reused: 0,
    promptTokens: tokens.length,
    scoredTokens: isScored ? tokens.length : 0,
    draft: [],
  };
}

/** The next `count` tokens of the sequence. */
export function entryOf(sequence: Running, count: number): StepEntry {
  const end = sequence.computed + count;
  return {
    id: sequence.id,
    slot: sequence.slot,
    firstPosition: sequence.computed,
    tokens: sequence.tokens.slice(sequence.computed, end),
    isSampled: end === sequence.tokens.length,
    isScored: sequence.computed < sequence.scoredTokens,
    drafted: 0,
  };
}
