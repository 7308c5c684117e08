/** The two halves of a layer, each with its norm and residual; written once for whole and cut graphs. */
import { alibiSlopes, attentionBlocks, type Tape, type Value } from '../autodiff/index.ts';
import { wholeShare, type LayerContext, type TensorShare } from './layer-context.ts';
import { expertsOf } from './layer-parts.ts';
import { combineTokens, dispatchTokens, routeTokens } from './mixture.ts';
import { relativeBuckets, type TransformerConfig } from './transformer-config.ts';

/** The sizes that a tensor rank works with. */
export function shareOf(config: TransformerConfig, { count }: TensorShare): TransformerConfig {
  return {
    ...config,
    heads: config.heads / count,
    kvHeads: config.kvHeads / count,
    // Experts stay whole.
    hidden: config.experts === undefined ? config.hidden / count : config.hidden,
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
  return withResidual(context, x, attention(context, attentionNorm(context, x)));
}

export function attentionNorm(context: LayerContext, x: Value): Value {
  return layerNorm(context, x, 'input_layernorm');
}

/** x + mlp(norm(x)); the residual as above. */
export function mlpPart(context: LayerContext, x: Value): Value {
  return withResidual(context, x, mlpCore(context, mlpNorm(context, x)));
}

export function mlpNorm(context: LayerContext, x: Value): Value {
  return layerNorm(context, x, 'post_attention_layernorm');
}

/** Between the norm and the residual. */
export function mlpCore(context: LayerContext, inner: Value): Value {
  const { experts } = context.config;
  if (experts === undefined) return mlp(context, inner, 'mlp');
  const routed = routeTokens(context, inner, experts);
  return combineTokens(context, runExperts(context, dispatchTokens(context, inner, routed)), routed);
}

/** Rows of this rank's experts, as many of each → what each says of its own. */
export function runExperts(context: LayerContext, rows: Value): Value {
  const { tape, config, share, expertShare = share } = context;
  const { from, to } = expertsOf(config.experts?.count ?? 0, expertShare.count, expertShare.index);
  const each = (rows.shape[0] as number) / (to - from);
  const said = Array.from({ length: to - from }, (_, index) => {
    const own = tape.apply('sliceRows', [rows], { from: index * each, to: (index + 1) * each });
    return mlp({ ...context, share: wholeShare }, own, `mlp.experts.${from + index}`);
  });
  return tape.apply('joinRows', said, {});
}

function mlp(context: LayerContext, x: Value, name: string): Value {
  const { tape, config } = context;
  const up = widen(context, x, `${name}.up_proj`);
  const mixed =
    config.activation === 'gelu'
      ? tape.apply('gelu', [up], {})
      : tape.apply('swiGlu', [widen(context, x, `${name}.gate_proj`), up], {});
  return narrow(context, mixed, `${name}.down_proj`);
}

export function withResidual({ tape, share }: LayerContext, x: Value, added: Value): Value {
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

/** Between the norm and the residual. */
export function attention(context: LayerContext, x: Value): Value {
  const { tape, part, share, sequences: batch, documents } = context;
  const config = shareOf(context.config, share);
  const { positions, isCausal } = config;
  const isGrouped = config.heads !== config.kvHeads;
  const isOrdered = isGrouped || positions === 'alibi' || positions === 'relative' || documents !== undefined;
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
    documents,
  });
  const merged = tape.apply('mergeHeads', [mixed], { batch, heads: config.heads, isOrdered });
  return narrow(context, merged, 'self_attn.o_proj');
}
