/** The two halves of a layer, each with its norm and residual; written once for whole and cut graphs. */
import { attentionBlocks, alibiSlopes, type Tape, type Value } from '../autodiff/index.ts';
import { relativeBuckets, type TransformerConfig } from './transformer-config.ts';

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
  readonly sequences: number;
  /** Parameters by their name inside the layer. */
  readonly part: (name: string) => Value;
}

/** The sizes that a tensor rank works with. */
export function shareOf(config: TransformerConfig, { count }: TensorShare): TransformerConfig {
  return {
    ...config,
    heads: config.heads / count,
    kvHeads: config.kvHeads / count,
    hidden: config.hidden / count,
  };
}

export function norm(
  tape: Tape,
  config: TransformerConfig,
  x: Value,
  weight: Value,
  bias: Value | undefined,
): Value {
  const epsilon = config.normEpsilon;
  if (bias === undefined) return tape.apply('rmsNorm', [x, weight], { epsilon });
  return tape.apply('layerNorm', [x, weight, bias], { epsilon });
}

/** x + attention(norm(x)). A tensor rank other than the first leaves out the x, so that a sum over ranks has it once. */
export function attentionPart(context: LayerContext, x: Value): Value {
  return withResidual(context, x, attention(context, layerNorm(context, x, 'input_layernorm')));
}

/** x + mlp(norm(x)); the residual as above. */
export function mlpPart(context: LayerContext, x: Value): Value {
  const { tape, config } = context;
  const inner = layerNorm(context, x, 'post_attention_layernorm');
  const up = widen(context, inner, 'mlp.up_proj');
  const mixed =
    config.activation === 'gelu'
      ? tape.apply('gelu', [up], {})
      : tape.apply('swiGlu', [widen(context, inner, 'mlp.gate_proj'), up], {});
  return withResidual(context, x, narrow(context, mixed, 'mlp.down_proj'));
}

function withResidual({ tape, share }: LayerContext, x: Value, added: Value): Value {
  return share.index === 0 ? tape.apply('add', [x, added], {}) : added;
}

function layerNorm({ tape, config, part }: LayerContext, x: Value, name: string): Value {
  const bias = config.norm === 'layer' ? part(`${name}.bias`) : undefined;
  return norm(tape, config, x, part(`${name}.weight`), bias);
}

function widen(context: LayerContext, x: Value, name: string): Value {
  return context.tape.apply('linear', [x, ...weightAndBias(context, name)], {});
}

/** Tensor ranks add their results up: each brings its part of the bias. */
function narrow(context: LayerContext, x: Value, name: string): Value {
  const biasScale = 1 / context.share.count;
  return context.tape.apply('linearTransposed', [x, ...weightAndBias(context, name)], { biasScale });
}

function weightAndBias({ config, part }: LayerContext, name: string): Value[] {
  return [part(`${name}.weight`), ...(config.hasBiases ? [part(`${name}.bias`)] : [])];
}

function attention(context: LayerContext, x: Value): Value {
  const { tape, part, share, sequences: batch } = context;
  const config = shareOf(context.config, share);
  const { positions, isCausal } = config;
  const isGrouped = config.heads !== config.kvHeads;
  const isOrdered = isGrouped || positions === 'alibi' || positions === 'relative';
  const project = (name: string, heads: number): Value =>
    tape.apply('splitHeads', [widen(context, x, name)], { batch, heads, isOrdered });
  const placed = (value: Value): Value =>
    positions === 'rotary' ? tape.apply('rotary', [value], { theta: config.ropeTheta }) : value;
  const q = placed(project('self_attn.q_proj', config.heads));
  const k = placed(project('self_attn.k_proj', config.kvHeads));
  const v = project('self_attn.v_proj', config.kvHeads);
  const ofDistance = positions === 'relative' ? [part('self_attn.relative_bias.weight')] : [];
  const mixed = tape.apply('attention', [q, k, v, ...ofDistance], {
    ...attentionBlocks(q.shape[2] as number),
    isCausal,
    slopes:
      positions === 'alibi'
        ? alibiSlopes(context.config.heads).slice(
            share.index * config.heads,
            (share.index + 1) * config.heads,
          )
        : undefined,
    maxDistance: relativeBuckets.maxDistance,
  });
  const merged = tape.apply('mergeHeads', [mixed], { batch, heads: config.heads, isOrdered });
  return narrow(context, merged, 'self_attn.o_proj');
}
