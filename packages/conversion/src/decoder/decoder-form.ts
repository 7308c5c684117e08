/** A causal decoder in words that hold for all families: what stands in each place, and its weights when they are wanted. */

/** Makes the values anew at each call, so that nobody has to keep them. */
export type Late = () => Float32Array;

export interface Held {
  /** Unique in the model. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Late;
  /** The same in pieces, of tensors that may be too large to be there at once. */
  readonly strips?: () => Iterable<Float32Array>;
}

/** y = x · matrix + bias; the matrix is [in, out]. */
export interface Linear {
  readonly matrix: Held;
  readonly bias?: Held;
}

/** With a shift: by mean and variance (Ba et al. 2016); without: by the root mean square (Zhang & Sennrich 2019). */
export interface Norm {
  readonly scale: Held;
  readonly shift?: Held;
}

export type Activation = 'gelu' | 'gelu-tanh' | 'relu';

export interface GatedMlp {
  readonly kind: 'gated';
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

export type Mlp =
  | GatedMlp
  | { readonly kind: 'plain'; readonly activation: Activation; readonly up: Linear; readonly down: Linear }
  /** A token goes through the `top` experts that the router likes best, weighed by the softmax of their scores. */
  | {
      readonly kind: 'experts';
      readonly router: Linear;
      readonly top: number;
      readonly experts: readonly GatedMlp[];
    };

export interface DecoderLayer {
  readonly before: Norm;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  readonly middle: Norm;
  readonly mlp: Mlp;
}

export interface DecoderForm {
  /** For the file. */
  readonly family: string;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly normEpsilon: number;
  /** [vocabulary, width] */
  readonly embedding: Held;
  /** Where a token stands: added to it once, or by turning queries and keys. */
  readonly positions:
    | { readonly kind: 'learned'; readonly table: Held }
    | { readonly kind: 'rotary'; readonly theta: number };
  readonly layers: readonly DecoderLayer[];
  readonly last: Norm;
  /** [width, vocabulary] */
  readonly head: Held;
}
