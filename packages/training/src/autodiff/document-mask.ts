/**
 * Attention that stops at the beginning of a token's document, for sequences in which several lie one after the other.
 * A document begins with the end-of-text token, so the count of these up to a token says which document it is of.
 */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';

/** As many of a score as leave nothing after the softmax, for each document in between; no sum of them overflows. */
const apart = -1e30;

/** int64 [sequences · time] → [sequences, time]: documents that have begun. */
export function documentsOf(
  graph: GraphBuilder,
  tokens: Value,
  { sequences, time, eosId }: { readonly sequences: number; readonly time: number; readonly eosId: number },
): Value {
  const shape = [sequences, time];
  const beginning = graph.node('Equal', [tokens, graph.integers([eosId])], tokens.shape, { type: 'bool' });
  const counts = graph.node('Cast', [beginning], tokens.shape, { attributes: { to: { int: 1 } } });
  return graph.node('CumSum', [graph.reshape(counts, shape), graph.integers([1])], shape);
}

/** What is added to the scores of queries [from, to) over the first `keys` keys: [sequences, 1, queries, keys]. */
export function documentScores(
  graph: GraphBuilder,
  documents: Value,
  { from, to, keys }: { readonly from: number; readonly to: number; readonly keys: number },
): Value {
  const [sequences] = documents.shape as readonly [number, number];
  const between = (start: number, end: number): Value => {
    const bounds = [[start], [end], [1]].map((numbers) => graph.integers(numbers));
    return graph.node('Slice', [documents, ...bounds], [sequences, end - start]);
  };
  const distance = graph.subtract(
    graph.reshape(between(from, to), [sequences, 1, to - from, 1]),
    graph.reshape(between(0, keys), [sequences, 1, 1, keys]),
  );
  return graph.multiply(graph.map('Abs', distance), graph.scalar(apart));
}
