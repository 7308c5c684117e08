/** What a transformer is made of, beside its sizes. Llama, GPT and an encoder differ only in these words. */
import type { LlamaConfig } from '@gantry/formats';

/** `layer` has a bias beside its weight. */
export type NormKind = 'rms' | 'layer';
/**
 * rotary: queries and keys turn with their place (Su et al. 2021). learned, sinusoidal: a vector is added to each
 * embedding (Vaswani et al. 2017, §3.5). alibi: scores fall with distance, by a slope of each head (Press et al.
 * 2022). relative: each head learns a number for each range of distances (Raffel et al. 2020, §2.1), in each layer.
 */
export type PositionKind = 'rotary' | 'learned' | 'sinusoidal' | 'alibi' | 'relative';
export type ActivationKind = 'swiglu' | 'gelu';

export interface ExpertsConfig {
  readonly count: number;
  /** Experts that see a token. */
  readonly top: number;
  /** While it learns, an expert takes at most this many times its fair share of a sequence; what is over passes by. */
  readonly capacityFactor: number;
  /** Factor of the load-balancing loss. */
  readonly balance: number;
}

export interface TransformerConfig extends LlamaConfig {
  readonly norm: NormKind;
  readonly positions: PositionKind;
  readonly activation: ActivationKind;
  /** Of the linear layers. */
  readonly hasBiases: boolean;
  /** A token sees those before it only. */
  readonly isCausal: boolean;
  /** Each layer's MLP is so many; undefined for one. */
  readonly experts?: ExpertsConfig;
  /** While it learns and is judged, a token sees those of its own document only. */
  readonly staysInDocument?: true;
}

export type ModelFamily = 'llama' | 'gpt';

export type ModelStyle = Pick<
  TransformerConfig,
  'norm' | 'positions' | 'activation' | 'hasBiases' | 'isCausal'
>;

/** What a family means where the job file says nothing else. */
export const styleOf: Readonly<Record<ModelFamily, ModelStyle>> = {
  llama: { norm: 'rms', positions: 'rotary', activation: 'swiglu', hasBiases: false, isCausal: true },
  gpt: { norm: 'layer', positions: 'learned', activation: 'gelu', hasBiases: true, isCausal: true },
};

/** A model read from a Llama file. */
export function fromLlama(config: LlamaConfig): TransformerConfig {
  return { ...config, ...styleOf.llama };
}

/** Ranges of distance that a relative position tells apart, and the distance from which all are one. */
export const relativeBuckets = { count: 32, maxDistance: 128 } as const;
