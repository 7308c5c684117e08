/**
 * Attention in blocks of queries. Where it is causal a block sees only the keys up to its end, so half of the scores
 * of a long sequence are never computed. From `recomputeFrom` on none are kept either: the backward pass makes a block's
 * weights again (Dao et al. 2022, §3), so what is held grows with the length, not with its square.
 */
import { scoreMask, type MaskOptions } from './constants.ts';
import { distanceScores, tableGradient } from './distance-scores.ts';
import { documentScores } from './document-mask.ts';
import type { GraphBuilder } from './graph.ts';
import type { Shape, Value } from './value.ts';
import type { BackwardContext } from './operator-rule.ts';

export interface AttentionAttributes extends MaskOptions {
  /** From this distance on all are one range, where a table of distances is given. */
  readonly maxDistance: number;
  /** Queries of a block; undefined for all at once. */
  readonly block: number | undefined;
  /** Sequences of this length keep no scores. */
  readonly recomputeFrom: number;
  /** [batch, time], of `documentsOf`: only tokens of one document see each other. Batch comes first in q, k and v then. */
  readonly documents?: Value | undefined;
}

/** What the decoder uses: a quarter of a usual sequence, but not more scores at a time than fit in the cache. */
export function attentionBlocks(time: number): Pick<AttentionAttributes, 'block' | 'recomputeFrom'> {
  return { block: time >= 256 ? Math.min(256, Math.ceil(time / 4)) : undefined, recomputeFrom: 1024 };
}

/** Queries [from, to) and the keys [0, keys) that they see. */
export interface Block {
  readonly from: number;
  readonly to: number;
  readonly keys: number;
}

function blocksOf(time: number, { block, isCausal }: AttentionAttributes): Block[] {
  const size = block ?? time;
  return Array.from({ length: Math.ceil(time / size) }, (_, index) => {
    const to = Math.min(time, (index + 1) * size);
    return { from: index * size, to, keys: isCausal ? to : time };
  });
}

export function attentionForward(
  graph: GraphBuilder,
  inputs: readonly Value[],
  attributes: AttentionAttributes,
): { output: Value; saved: Value[] } {
  const [q, , v] = inputs as readonly [Value, Value, Value];
  const time = q.shape[2] as number;
  const weights: Value[] = [];
  const mixed = blocksOf(time, attributes).map((part) => {
    const own = blockWeights(graph, inputs, part, attributes);
    weights.push(own);
    const seen = graph.product(own, alongTime(graph, v, 0, part.keys));
    return graph.reshape(seen, withTime(q, part.to - part.from));
  });
  const output = joinTime(graph, mixed, q.shape);
  return { output, saved: time >= attributes.recomputeFrom ? [] : weights };
}

export function attentionBackward(
  graph: GraphBuilder,
  { inputs, output, saved, gradient, attributes }: BackwardContext<AttentionAttributes>,
): Value[] {
  const [q, k, v, table] = inputs as readonly [Value, Value, Value, Value | undefined];
  const time = q.shape[2] as number;
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const dqs: Value[] = [];
  let dk: Value | undefined;
  let dv: Value | undefined;
  let dTable: Value | undefined;
  for (const [index, part] of blocksOf(time, attributes).entries()) {
    const weights = saved[index] ?? blockWeights(graph, inputs, part, attributes);
    const queries = part.to - part.from;
    const stacked = stackedShape(q, k, queries);
    const of = (value: Value): Value => graph.reshape(alongTime(graph, value, part.from, part.to), stacked);
    const [dMixed, mixed] = [of(gradient), of(output)];
    const [keys, values] = [alongTime(graph, k, 0, part.keys), alongTime(graph, v, 0, part.keys)];
    const dWeights = graph.product(dMixed, values, { right: 'transposed' });
    // rowsum(dP·P) = rowsum(dO·O), over head width instead of time.
    const row = graph.sumLast(graph.multiply(dMixed, mixed));
    const dScores = graph.multiply(weights, graph.subtract(dWeights, row));
    dqs.push(graph.reshape(graph.product(dScores, keys, { alpha: scale }), withTime(q, queries)));
    dk = grow(graph, dk, graph.product(dScores, of(q), { left: 'transposed', alpha: scale }));
    dv = grow(graph, dv, graph.product(weights, dMixed, { left: 'transposed' }));
    if (table === undefined) continue;
    const ofTable = tableGradient(graph, graph.reshape(dScores, planeOf(q, part)), table, part, attributes);
    dTable = dTable === undefined ? ofTable : graph.add(dTable, ofTable);
  }
  const dq = joinTime(graph, dqs, q.shape);
  return [dq, dk as Value, dv as Value, ...(dTable === undefined ? [] : [dTable])];
}

/** [batch, heads, queries, keys] of a block. */
function planeOf(q: Value, { from, to, keys }: Block): Shape {
  const [batch, heads] = q.shape as readonly [number, number, number, number];
  return [batch, heads, to - from, keys];
}

/** Softmax of a block's scores, [batch, kvHeads, group · queries, keys]. */
function blockWeights(
  graph: GraphBuilder,
  inputs: readonly Value[],
  part: Block,
  attributes: AttentionAttributes,
): Value {
  const [q, k, , table] = inputs as readonly [Value, Value, Value, Value | undefined];
  const kvHeads = k.shape[1] as number;
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const own = graph.reshape(alongTime(graph, q, part.from, part.to), stackedShape(q, k, part.to - part.from));
  const scores = graph.product(own, alongTime(graph, k, 0, part.keys), { right: 'transposed', alpha: scale });
  const plane = planeOf(q, part);
  const [batch, heads, queries, keys] = plane as readonly [number, number, number, number];
  let masked = graph.reshape(scores, plane);
  for (const bias of scoreBiases(graph, part, attributes)) masked = graph.add(masked, bias);
  if (table !== undefined) masked = graph.add(masked, distanceScores(graph, table, part, attributes));
  const weights = graph.node('Softmax', [masked], plane, { attributes: { axis: { int: -1 } } });
  return graph.reshape(weights, [batch, kvHeads, (heads / kvHeads) * queries, keys]);
}

/** What no parameter decides: order, distance and, in one sum with them, documents. */
function scoreBiases(graph: GraphBuilder, part: Block, attributes: AttentionAttributes): Value[] {
  const mask = scoreMask(part, attributes);
  const order =
    mask && graph.constant(mask.key, [...mask.leading, part.to - part.from, part.keys], () => mask.make());
  const { documents } = attributes;
  const apart = documents && documentScores(graph, documents, part);
  if (order === undefined || apart === undefined) return [order, apart].filter((bias) => bias !== undefined);
  return [graph.add(apart, order)];
}

/** The query heads of one kv head lie along time, so grouped-query attention needs no copies of k and v. */
function stackedShape(q: Value, k: Value, queries: number): Shape {
  const [batch, heads, , width] = q.shape as readonly [number, number, number, number];
  const kvHeads = k.shape[1] as number;
  return [batch, kvHeads, (heads / kvHeads) * queries, width];
}

function withTime({ shape }: Value, time: number): Shape {
  return [shape[0] as number, shape[1] as number, time, shape[3] as number];
}

function alongTime(graph: GraphBuilder, value: Value, from: number, to: number): Value {
  if (from === 0 && to === value.shape[2]) return value;
  const bounds = [[from], [to], [2]].map((numbers) => graph.integers(numbers));
  return graph.node('Slice', [value, ...bounds], withTime(value, to - from));
}

function joinTime(graph: GraphBuilder, parts: readonly Value[], shape: Shape): Value {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return graph.node('Concat', parts, shape, { attributes: { axis: { int: 2 } } });
}

/** Adds what earlier blocks gave to the keys they saw; a later block may see more. */
function grow(graph: GraphBuilder, before: Value | undefined, next: Value): Value {
  if (before === undefined) return next;
  const missing = (next.shape[2] as number) - (before.shape[2] as number);
  if (missing === 0) return graph.add(before, next);
  const padded = graph.node('Pad', [before, graph.integers([0, 0, 0, 0, 0, 0, missing, 0])], next.shape);
  return graph.add(padded, next);
}
