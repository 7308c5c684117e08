/**
 * A gang that lost a node goes on where it was: before all others, first inside the domain of the
 * nodes it has left. While no replacement is there, those nodes are kept for it (until `untilMs`).
 */
import type { Planning } from './planning.ts';
import type { Workload } from './snapshot.ts';

export interface Wounds {
  /** Nodes it had that are still there. */
  readonly survivors: readonly number[];
  /** Everything outside the narrowest domain that held it, to be left alone at the first try. */
  readonly outside: Uint8Array | null;
}

/** null when it is whole, or was left waiting for too long. */
export function woundsOf(planning: Planning, { wounded }: Workload): Wounds | null {
  const { nowMs, state } = planning;
  if (wounded === undefined || nowMs >= wounded.untilMs) return null;
  const survivors = wounded.nodeIds
    .map((id) => state.nodeIndex.get(id))
    .filter((node): node is number => node !== undefined && state.schedulable[node] === 1);
  const [first] = survivors;
  if (first === undefined) return null;
  const paths = wounded.nodeIds.flatMap((id) => {
    const node = state.nodeIndex.get(id);
    return node === undefined ? [] : [state.nodes[node]!.topologyPath];
  });
  const shared = paths.reduce((common, path) => common.slice(0, commonDepth(common, path)));
  if (shared.length === 0) return { survivors, outside: null };
  const outside = Uint8Array.from(state.nodes, ({ topologyPath }) =>
    commonDepth(shared, topologyPath) === shared.length ? 0 : 1,
  );
  return { survivors, outside };
}

function commonDepth(a: readonly string[], b: readonly string[]): number {
  let depth = 0;
  while (depth < a.length && depth < b.length && a[depth] === b[depth]) depth++;
  return depth;
}
