/**
 * Nodes that are kept for a workload, which goes before all others: those a wounded gang has left, and
 * those that others were evicted from for it. A wounded gang goes on inside the domain it was in, if it can.
 */
import type { Planning } from './planning.ts';
import type { Workload } from './snapshot.ts';

export interface KeptNodes {
  readonly nodes: readonly number[];
  /** Everything outside the narrowest domain that held it, to be left alone at the first try. */
  readonly outside: Uint8Array | null;
}

/** null when nothing is kept for it, or no longer. */
export function keptNodes(planning: Planning, { kept }: Workload): KeptNodes | null {
  const { nowMs, state } = planning;
  if (kept === undefined || nowMs >= kept.untilMs) return null;
  const nodes = kept.nodeIds
    .map((id) => state.nodeIndex.get(id))
    .filter((node): node is number => node !== undefined && state.schedulable[node] === 1);
  if (nodes.length === 0) return null;
  if (kept.why === 'claimed') return { nodes, outside: null };
  const paths = kept.nodeIds.flatMap((id) => {
    const node = state.nodeIndex.get(id);
    return node === undefined ? [] : [state.nodes[node]!.topologyPath];
  });
  const shared = paths.reduce((common, path) => common.slice(0, commonDepth(common, path)));
  if (shared.length === 0) return { nodes, outside: null };
  const outside = Uint8Array.from(state.nodes, ({ topologyPath }) =>
    commonDepth(shared, topologyPath) === shared.length ? 0 : 1,
  );
  return { nodes, outside };
}

function commonDepth(a: readonly string[], b: readonly string[]): number {
  let depth = 0;
  while (depth < a.length && depth < b.length && a[depth] === b[depth]) depth++;
  return depth;
}
