/** What goes into a step scheduler and what comes out of it. */
export interface StepSchedulerOptions {
  readonly slots: number;
  /** Tokens that a slot can hold. */
  readonly contextTokens: number;
  /** Most tokens of one forward pass. */
  readonly stepTokens: number;
  /** Most prompt tokens of a pass in which other sequences are generating. */
  readonly prefillTokens: number;
  /** A prefix in another slot is copied from this length on; below it, computing is as quick. */
  readonly copyFromTokens?: number;
}

export type KvCommand =
  /** The first `tokens` of `from` become the whole content of `to`. */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number; readonly tokens: number }
  /** Only the first `tokens` of the slot stay. */
  | { readonly kind: 'truncate'; readonly slot: number; readonly tokens: number };

export interface StepEntry {
  readonly id: string;
  readonly slot: number;
  readonly firstPosition: number;
  readonly tokens: readonly number[];
  /** The last token's logits are wanted: the prompt is complete or the sequence is generating. */
  readonly isSampled: boolean;
  /** The logits of every token are wanted. */
  readonly isScored: boolean;
  /** So many of the last tokens are guesses; each counts once the one before it was sampled and agrees. */
  readonly drafted: number;
}

export interface StepPlan {
  readonly commands: readonly KvCommand[];
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
