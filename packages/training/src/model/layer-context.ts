/** What the parts of a layer are written in terms of. */
import type { Tape, Value } from '../autodiff/index.ts';
import type { TransformerConfig } from './transformer-config.ts';

/** What one of `count` tensor ranks has of a layer: its heads and hidden columns; the residual stream stays whole. */
export interface TensorShare {
  readonly count: number;
  readonly index: number;
}

export const wholeShare: TensorShare = { count: 1, index: 0 };

export interface LayerContext {
  readonly tape: Tape;
  /** Of the whole model. */
  readonly config: TransformerConfig;
  readonly share: TensorShare;
  /** Of the experts, where data-parallel ranks share out those of a tensor rank; else as `share`. */
  readonly expertShare?: TensorShare;
  readonly sequences: number;
  /** Of each token's loss. */
  readonly weights: Value;
  /** [sequences, time], where attention stops at the beginning of a token's document. */
  readonly documents?: Value;
  /** Experts have a limit only while they learn. */
  readonly isTraining: boolean;
  /** Parameters by their name inside the layer. */
  readonly part: (name: string) => Value;
}
