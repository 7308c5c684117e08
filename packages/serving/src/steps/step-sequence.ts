/** What the step scheduler remembers of a sequence, and who keeps its memory longest. */
import type { WaitingSequence } from './fair-queue.ts';

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

/** Adapters are weights that are not the model's own: what they computed is nobody else's. */
export const reuseKeyOf = ({ scope, variant }: Pick<WaitingSequence, 'scope' | 'variant'>): string =>
  `${variant}\n${scope}`;
