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
  /** Tokens of prefixes that a slower tier has room for; default 0. */
  readonly parkedTokens?: number;
  /** A shorter prefix is not parked; default 64. */
  readonly parkFromTokens?: number;
}

export type KvCommand =
  /** The first `tokens` of `from` become the whole content of `to`. */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number; readonly tokens: number }
  /** Only the first `tokens` of the slot stay. */
  | { readonly kind: 'truncate'; readonly slot: number; readonly tokens: number }
  /** What the slot holds, all of `tokens`, goes to a new place in the slower tier; what lies in `dropped` may go. */
  | {
      readonly kind: 'park';
      readonly slot: number;
      readonly place: number;
      readonly tokens: readonly number[];
      readonly dropped: readonly number[];
    }
  /** The first `tokens` of what lies in `place` become the whole content of the slot, for the sequence `id`. */
  | {
      readonly kind: 'restore';
      readonly place: number;
      readonly slot: number;
      readonly tokens: number;
      readonly id: string;
    };

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
