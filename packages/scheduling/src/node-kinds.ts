/**
 * Nodes that no request can tell apart while they are empty: a large cluster has few kinds. What one
 * node of a kind says about a request (labels, taints, sizes, device models) all of them say.
 */
import type { NodeState } from './snapshot.ts';

export interface NodeKinds {
  /** By node, in the order of the list. */
  readonly kindOf: Int32Array;
  /** The first node of each kind. */
  readonly firsts: readonly NodeState[];
}

const known = new WeakMap<readonly NodeState[], NodeKinds>();

/** Found once a list of nodes. Health and names are left out: they are looked at node by node. */
export function kindsOf(nodes: readonly NodeState[]): NodeKinds {
  let kinds = known.get(nodes);
  if (kinds === undefined) {
    const byKey = new Map<string, number>();
    const firsts: NodeState[] = [];
    const kindOf = Int32Array.from(nodes, (node) => {
      const key = keyOf(node);
      let kind = byKey.get(key);
      if (kind === undefined) {
        byKey.set(key, (kind = firsts.length));
        firsts.push(node);
      }
      return kind;
    });
    known.set(nodes, (kinds = { kindOf, firsts }));
  }
  return kinds;
}

function keyOf({ capacity, devices, labels, taints }: NodeState): string {
  const parts: unknown[] = [capacity.cpuMilli, capacity.memoryBytes, capacity.storageBytes];
  for (const name of Object.keys(labels).sort()) parts.push(name, labels[name]);
  parts.push('/');
  for (const { key, value, effect } of taints) parts.push(key, value, effect);
  parts.push('/');
  let before: NodeState['devices'][number] | undefined;
  let alike = 0;
  for (const device of devices) {
    const isAlike =
      before !== undefined &&
      device.model === before.model &&
      device.memoryBytes === before.memoryBytes &&
      device.milliCapacity === before.milliCapacity &&
      device.profile === before.profile &&
      device.island === before.island;
    if (!isAlike) {
      const { model, memoryBytes, milliCapacity, profile, island } = device;
      parts.push(alike, model, memoryBytes, milliCapacity, profile, island);
      alike = 0;
    }
    alike++;
    before = device;
  }
  parts.push(alike);
  return JSON.stringify(parts);
}
