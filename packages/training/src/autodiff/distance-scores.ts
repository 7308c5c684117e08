/**
 * What a table [buckets, heads] adds to the scores: entry (b, h) where key and query of head h are a distance of
 * range b apart. All pairs of a distance lie on one diagonal, so the table is first written out by distance and then
 * sheared into place, and gradients go back the same way: nothing is larger than the scores themselves.
 */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';

interface Pairs {
  readonly from: number;
  readonly to: number;
  readonly keys: number;
}

interface Ranges {
  readonly isCausal: boolean;
  readonly maxDistance: number;
}

/** Half of the buckets hold one distance each, the others grow by logarithm up to `maxDistance` (Raffel et al. 2020). */
export function distanceBucket(distance: number, buckets: number, { isCausal, maxDistance }: Ranges): number {
  if (!isCausal) {
    const half = buckets / 2;
    const near = distanceBucket(Math.abs(distance), half, { isCausal: true, maxDistance });
    return distance < 0 ? half + near : near;
  }
  const exact = buckets / 2;
  if (distance < exact) return Math.max(0, distance);
  const scale = (buckets - exact) / Math.log(maxDistance / exact);
  return Math.min(buckets - 1, exact + Math.floor(Math.log(distance / exact) * scale));
}

/** [heads, queries, keys] */
export function distanceScores(graph: GraphBuilder, table: Value, pairs: Pairs, ranges: Ranges): Value {
  const heads = table.shape[1] as number;
  const { queries, line } = sizesOf(pairs);
  const byDistance = graph.product(table, oneHot(graph, table, pairs, ranges), { left: 'transposed' });
  const repeated = graph.node(
    'Expand',
    [graph.reshape(byDistance, [heads, 1, line]), graph.integers([heads, queries, line])],
    [heads, queries, line],
  );
  // The inverse shear: row i begins one place earlier than row i − 1.
  const flat = graph.reshape(repeated, [heads, queries * line]);
  const cut = slice(graph, flat, 0, queries * (line - 1));
  return slice(graph, graph.reshape(cut, [heads, queries, line - 1]), queries, line - 1);
}

/** From [batch, heads, queries, keys] to the table's shape. */
export function tableGradient(
  graph: GraphBuilder,
  dScores: Value,
  table: Value,
  pairs: Pairs,
  ranges: Ranges,
): Value {
  const [batch, heads] = dScores.shape as readonly [number, number];
  const { queries, line } = sizesOf(pairs);
  const padded = pad(graph, dScores, [0, 0, 0, queries, 0, 0, 0, 0]);
  const flat = graph.reshape(padded, [batch, heads, queries * (line - 1)]);
  const sheared = graph.reshape(pad(graph, flat, [0, 0, 0, 0, 0, queries]), [batch, heads, queries, line]);
  const byDistance = graph.node('ReduceSum', [sheared, graph.integers([0, 2])], [heads, line], {
    attributes: { keepdims: { int: 0 } },
  });
  const turned = graph.transpose(byDistance, [1, 0]);
  return graph.product(oneHot(graph, table, pairs, ranges), turned);
}

/** Row i has `queries` places before its keys; sheared by one each row, place c of a line is key − query + queries − from. */
function sizesOf({ from, to, keys }: Pairs): { queries: number; line: number } {
  return { queries: to - from, line: keys + to - from + 1 };
}

/** [buckets, line]: which range each place of a line belongs to. */
function oneHot(graph: GraphBuilder, table: Value, pairs: Pairs, ranges: Ranges): Value {
  const [buckets] = table.shape as readonly [number, number];
  const { queries, line } = sizesOf(pairs);
  const key = `ranges${pairs.from}-${pairs.to}-${pairs.keys}:${buckets}`;
  return graph.constant(key, [buckets, line], () => {
    const hot = new Float32Array(buckets * line);
    for (let place = 0; place < line; place += 1) {
      const distance = pairs.from + queries - place;
      hot[distanceBucket(distance, buckets, ranges) * line + place] = 1;
    }
    return hot;
  });
}

function slice(graph: GraphBuilder, value: Value, from: number, to: number): Value {
  const axis = value.shape.length - 1;
  const bounds = [[from], [to], [axis]].map((numbers) => graph.integers(numbers));
  return graph.node('Slice', [value, ...bounds], [...value.shape.slice(0, -1), to - from]);
}

function pad(graph: GraphBuilder, value: Value, places: readonly number[]): Value {
  const rank = value.shape.length;
  const shape = value.shape.map((size, axis) => size + (places[axis] ?? 0) + (places[axis + rank] ?? 0));
  return graph.node('Pad', [value, graph.integers(places)], shape);
}
