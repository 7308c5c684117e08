/** Reads what inventory wrote about a node's network (`facts.network`); anything unexpected counts as unknown. */
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import type { NetworkFacts } from './worker-environment.ts';

interface Written {
  readonly interfaces: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly rdma: readonly {
    readonly name: string;
    readonly linkLayer: string;
    readonly isActive: boolean;
  }[];
}

export function networkFacts(node: NodeSpecRecord | undefined): NetworkFacts | undefined {
  const written = node?.facts['network'];
  if (node === undefined || !isWritten(written)) return undefined;
  const active = written.rdma.filter(({ isActive }) => isActive);
  return {
    interface: written.interfaces.find(({ addresses }) => addresses.includes(node.address))?.name,
    rdmaDevices: active.map(({ name }) => name),
    isRoce: active.some(({ linkLayer }) => linkLayer === 'Ethernet'),
  };
}

function isWritten(value: unknown): value is Written {
  const { interfaces, rdma } = (value ?? {}) as Partial<Written>;
  return Array.isArray(interfaces) && Array.isArray(rdma);
}
