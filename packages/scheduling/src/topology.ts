/** Domains of one topology level: which nodes belong to the same rack, block, or are the host itself. */
import type { ClusterState } from './cluster-state.ts';
import type { NodeState } from './snapshot.ts';

export interface Domain {
  /** The path to it, `block-1/rack-3`, or the name of the host. */
  name: string;
  nodes: number[];
}

/** null when the node's path ends above the level: it belongs to no domain of it. */
export function domainNameOf(node: NodeState, levels: readonly string[], level: string): string | null {
  if (level === 'host') return node.name;
  const depth = levels.indexOf(level) + 1;
  return depth === 0 || node.topologyPath.length < depth ? null : node.topologyPath.slice(0, depth).join('/');
}

export function domainsOf(state: ClusterState, levels: readonly string[], level: string): Domain[] {
  const domains = new Map<string, Domain>();
  for (const [index, node] of state.nodes.entries()) {
    const name = domainNameOf(node, levels, level);
    if (name === null) continue;
    const domain = domains.get(name);
    if (domain === undefined) domains.set(name, { name, nodes: [index] });
    else domain.nodes.push(index);
  }
  return [...domains.values()];
}
