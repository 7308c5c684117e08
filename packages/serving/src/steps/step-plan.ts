/** What goes into the step scheduler and what comes out of it. */
import type { BlockId, KvMove } from '../cache/kv-blocks.ts';
import type { LanesOptions } from '../cache/kv-lanes.ts';
import type { StepPaceOptions } from './step-pace.ts';

export interface StepSchedulerOptions {
  /** Blocks of K/V memory; enough for one sequence of `contextTokens` at least. */
  readonly blocks: number;
  readonly tokensPerBlock: number;
  /** Tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  /** Sequences computed together at most. */
  readonly sequences: number;
  /** Most tokens of one plan. */
  readonly stepTokens: number;
  /** Most prompt tokens of a plan in which other sequences are generating; twice that where fewer do than read. */
  readonly prefillTokens: number;
  /** Absent: pieces of `prefillTokens`; else that is the least, and what passes took decides (`observe`). */
  readonly pace?: Pick<StepPaceOptions, 'mostTokens' | 'stallMs'>;
  /** Blocks that the slower tier has room for; default 0. */
  readonly spillSlots?: number;
  /** The engine's memory is cut into lanes, one a sequence; absent: any block is anybody's. */
  readonly lanes?: LanesOptions;
}

/** Consecutive tokens of one sequence. */
export interface StepEntry {
  readonly id: string;
  /** The blocks of the sequence in order: token `p` lies in `table[floor(p / tokensPerBlock)]`. */
  readonly table: readonly BlockId[];
  /** Of the first of `tokens`, from 0. */
  readonly firstPosition: number;
  readonly tokens: readonly number[];
  /** The last token's logits are wanted: the prompt is complete or the sequence is generating. */
  readonly isSampled: boolean;
  /** The logits of every token are wanted. */
  readonly isScored: boolean;
  /** So many of the last tokens are guesses; each counts once the one before it was sampled and agrees. */
  readonly drafted: number;
}

/** One forward pass, after the moves of K/V memory that it needs. */
export interface StepPlan {
  /** First, in this order. */
  readonly moves: readonly KvMove[];
  readonly entries: readonly StepEntry[];
}

export interface SequenceStart {
  readonly id: string;
  /** At least one token, fewer than the context. */
  readonly tokens: readonly number[];
  /** Larger first; 0 is ordinary. */
  readonly priority?: number;
  /** Whose cached prefixes may be reused and whose turn is counted: a tenant. */
  readonly scope?: string;
  /** Weights that are not the model's own (an adapter): what they computed is reused by their own only. */
  readonly variant?: string;
  /** The logits of all prompt tokens are wanted; such a prompt reuses nothing. */
  readonly isScored?: boolean;
}
