/**
 * The parameters of one layer, as its configuration asks for them: the one list that layout, graphs, tensor
 * ranks and export are derived from. W = width, H = hidden, names as inside `model.layers.N.`.
 */
import { relativeBuckets, type TransformerConfig } from './transformer-config.ts';

/** `residual`: normal, smaller with each layer, for what is added to the residual stream (GPT-2). */
export type StartValues = 'normal' | 'residual' | 'ones' | 'zeros';

export interface LayerPart {
  readonly name: string;
  readonly shape: readonly number[];
  readonly half: 'attention' | 'mlp';
  readonly start: StartValues;
  /** Stored [in, out] while Hugging Face has [out, in]: the widening layers (see autodiff `linear`). */
  readonly isTurned: boolean;
  /** Tensor ranks have columns of it: q, k, v, gate, up by output, o and down by input. */
  readonly isSplit: boolean;
  /** Tensor ranks have whole experts: equal numbers of them, in order. */
  readonly expert: number | undefined;
}

export function layerParts(config: TransformerConfig): LayerPart[] {
  const { width, hidden, heads, kvHeads, headWidth } = config;
  const parts: LayerPart[] = [];
  let half: LayerPart['half'] = 'attention';
  let expert: number | undefined;
  const push = (name: string, shape: readonly number[], start: StartValues, how = ''): void => {
    parts.push({
      name,
      shape,
      half,
      start,
      isTurned: how.includes('turned'),
      isSplit: how.includes('split') && expert === undefined,
      expert,
    });
  };
  const norm = (name: string): void => {
    push(`${name}.weight`, [width], 'ones');
    if (config.norm === 'layer') push(`${name}.bias`, [width], 'zeros');
  };
  /** Biases are rows, so that tensor ranks cut them as they cut the weight. */
  const widen = (name: string, columns: number): void => {
    push(`${name}.weight`, [width, columns], 'normal', 'turned split');
    if (config.hasBiases) push(`${name}.bias`, [1, columns], 'zeros', 'split');
  };
  const narrow = (name: string, columns: number): void => {
    push(`${name}.weight`, [width, columns], 'residual', 'split');
    if (config.hasBiases) push(`${name}.bias`, [1, width], 'zeros');
  };
  norm('input_layernorm');
  widen('self_attn.q_proj', heads * headWidth);
  widen('self_attn.k_proj', kvHeads * headWidth);
  widen('self_attn.v_proj', kvHeads * headWidth);
  narrow('self_attn.o_proj', heads * headWidth);
  if (config.positions === 'relative')
    push('self_attn.relative_bias.weight', [relativeBuckets.count, heads], 'zeros', 'split');
  half = 'mlp';
  norm('post_attention_layernorm');
  const mlp = (name: string): void => {
    if (config.activation === 'swiglu') widen(`${name}.gate_proj`, hidden);
    widen(`${name}.up_proj`, hidden);
    narrow(`${name}.down_proj`, hidden);
  };
  if (config.experts === undefined) mlp('mlp');
  else {
    push('mlp.router.weight', [width, config.experts.count], 'normal', 'turned');
    for (expert = 0; expert < config.experts.count; expert += 1) mlp(`mlp.experts.${expert}`);
  }
  return parts;
}

/** Experts [from, to) of one of `count` tensor ranks. */
export function expertsOf(experts: number, count: number, index: number): { from: number; to: number } {
  return { from: (experts * index) / count, to: (experts * (index + 1)) / count };
}
