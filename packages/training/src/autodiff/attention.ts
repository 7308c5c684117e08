/**
 * Causal attention in blocks of queries: a block sees only the keys up to its end, so half of the scores of a long
 * sequence are never computed. From `recomputeFrom` on none are kept either: the backward pass makes a block's
 * weights again (Dao et al. 2022, §3), so what is held grows with the length, not with its square.
 */
import { causalMask } from './constants.ts';
import type { GraphBuilder, Shape, Value } from './graph.ts';

export interface AttentionAttributes {
  /** Queries of a block; undefined for all at once. */
  readonly block: number | undefined;
  /** Sequences of this length keep no scores. */
  readonly recomputeFrom: number;
}

/** What the decoder uses: a quarter of a usual sequence, but not more scores at a time than fit in the cache. */
export function attentionBlocks(time: number): AttentionAttributes {
  return { block: time >= 256 ? Math.min(256, Math.ceil(time / 4)) : undefined, recomputeFrom: 1024 };
}

interface Block {
  readonly from: number;
  readonly to: number;
}

function blocksOf(time: number, block: number | undefined): Block[] {
  const size = block ?? time;
  return Array.from({ length: Math.ceil(time / size) }, (_, index) => ({
    from: index * size,
    to: Math.min(time, (index + 1) * size),
  }));
}

export function attentionForward(
  graph: GraphBuilder,
  inputs: readonly [Value, Value, Value],
  { block, recomputeFrom }: AttentionAttributes,
): { output: Value; saved: Value[] } {
  const [q, k, v] = inputs;
  const time = q.shape[2] as number;
  const weights: Value[] = [];
  const mixed = blocksOf(time, block).map((part) => {
    const own = blockWeights(graph, q, k, part);
    weights.push(own);
    const seen = graph.product(own, alongTime(graph, v, 0, part.to));
    return graph.reshape(seen, withTime(q, part.to - part.from));
  });
  const output = joinTime(graph, mixed, q.shape);
  return { output, saved: time >= recomputeFrom ? [] : weights };
}

export function attentionBackward(
  graph: GraphBuilder,
  inputs: readonly [Value, Value, Value],
  found: { readonly output: Value; readonly saved: readonly Value[]; readonly gradient: Value },
  { block }: AttentionAttributes,
): [Value, Value, Value] {
  const [q, k, v] = inputs;
  const time = q.shape[2] as number;
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const dqs: Value[] = [];
  let dk: Value | undefined;
  let dv: Value | undefined;
  for (const [index, part] of blocksOf(time, block).entries()) {
    const { from, to } = part;
    const weights = found.saved[index] ?? blockWeights(graph, q, k, part);
    const stacked = stackedShape(q, k, to - from);
    const of = (value: Value): Value => graph.reshape(alongTime(graph, value, from, to), stacked);
    const [dMixed, mixed] = [of(found.gradient), of(found.output)];
    const [keys, values] = [alongTime(graph, k, 0, to), alongTime(graph, v, 0, to)];
    const dWeights = graph.product(dMixed, values, { right: 'transposed' });
    // rowsum(dP·P) = rowsum(dO·O), over head width instead of time.
    const row = graph.sumLast(graph.multiply(dMixed, mixed));
    const dScores = graph.multiply(weights, graph.subtract(dWeights, row));
    dqs.push(graph.reshape(graph.product(dScores, keys, { alpha: scale }), withTime(q, to - from)));
    dk = grow(graph, dk, graph.product(dScores, of(q), { left: 'transposed', alpha: scale }));
    dv = grow(graph, dv, graph.product(weights, dMixed, { left: 'transposed' }));
  }
  return [joinTime(graph, dqs, q.shape), dk as Value, dv as Value];
}

/** Softmax of a block's scores, [batch, kvHeads, group · queries, keys]. */
function blockWeights(graph: GraphBuilder, q: Value, k: Value, { from, to }: Block): Value {
  const [batch, heads] = q.shape as readonly [number, number, number, number];
  const kvHeads = k.shape[1] as number;
  const queries = to - from;
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const own = graph.reshape(alongTime(graph, q, from, to), stackedShape(q, k, queries));
  const scores = graph.product(own, alongTime(graph, k, 0, to), { right: 'transposed', alpha: scale });
  const plane = [batch, heads, queries, to];
  const mask = graph.constant(`causal${from}-${to}`, [queries, to], () => causalMask(from, to));
  const masked = graph.add(graph.reshape(scores, plane), mask);
  const weights = graph.node('Softmax', [masked], plane, { attributes: { axis: { int: -1 } } });
  return graph.reshape(weights, [batch, kvHeads, (heads / kvHeads) * queries, to]);
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

/** Adds what earlier blocks gave to the keys they saw; a later block sees more. */
function grow(graph: GraphBuilder, before: Value | undefined, next: Value): Value {
  if (before === undefined) return next;
  const missing = (next.shape[2] as number) - (before.shape[2] as number);
  const padded = graph.node('Pad', [before, graph.integers([0, 0, 0, 0, 0, 0, missing, 0])], next.shape);
  return graph.add(padded, next);
}
