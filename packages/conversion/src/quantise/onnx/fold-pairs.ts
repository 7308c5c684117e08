/** Two nodes that are one: what the second does of the first, which nobody else reads, goes into the first. */
import type { GraphNode } from '@gantry/formats/onnx';
import type { Constant } from './clean-graph.ts';
import { isStandard } from './dense-layers.ts';

/** New weights go among the constants under the name of the second's output. */
export interface Pair {
  readonly first: GraphNode;
  readonly second: GraphNode;
  readonly constants: Map<string, Constant>;
}

export interface PairRule {
  /** In words, for the report. */
  readonly what: string;
  /** The node that takes the place of both; undefined where they stay two. */
  join(pair: Pair): GraphNode | undefined;
}

/** Over and over until nothing changes: a chain becomes one node. */
export function foldPairs(
  graph: { readonly nodes: readonly GraphNode[]; readonly outputs: readonly string[] },
  constants: Map<string, Constant>,
  rules: readonly PairRule[],
  count: (what: string) => void,
): GraphNode[] {
  let nodes = [...graph.nodes];
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    const readers = new Map<string, number>();
    for (const name of [...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs])
      readers.set(name, (readers.get(name) ?? 0) + 1);
    const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
    const changed = new Map<GraphNode, GraphNode | undefined>();
    for (const second of nodes) {
      if (!isStandard(second) || second.outputs.length !== 1 || changed.has(second)) continue;
      const first = makers.get(second.inputs.find((name) => !constants.has(name)) ?? '');
      if (first === undefined || !isStandard(first) || first.outputs.length !== 1 || changed.has(first))
        continue;
      if (readers.get(first.outputs[0] ?? '') !== 1) continue;
      for (const rule of rules) {
        const joined = rule.join({ first, second, constants });
        if (joined === undefined) continue;
        changed.set(first, joined);
        changed.set(second, undefined);
        count(rule.what);
        isChanged = true;
        break;
      }
    }
    nodes = nodes.flatMap((node) => (changed.has(node) ? (changed.get(node) ?? []) : node));
  }
  return nodes;
}
