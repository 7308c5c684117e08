/** What a node holds when nothing else runs there. */
import { type ClassRequest, acceptsDevice, matchesSelector, toleratesAll } from './class-request.ts';
import type { NodeState } from './snapshot.ts';

/** Members the empty node holds side by side. */
export function emptyFit(node: NodeState, request: ClassRequest): number {
  const { capacity } = node;
  if (node.devices.length < request.devices) return 0;
  if (
    capacity.cpuMilli < request.cpuMilli ||
    capacity.memoryBytes < request.memoryBytes ||
    capacity.storageBytes < request.storageBytes
  )
    return 0;
  if (!matchesSelector(node, request.selector) || !toleratesAll(node, request.tolerations)) return 0;
  let members = Infinity;
  if (request.cpuMilli > 0) members = Math.min(members, Math.floor(capacity.cpuMilli / request.cpuMilli));
  if (request.memoryBytes > 0)
    members = Math.min(members, Math.floor(capacity.memoryBytes / request.memoryBytes));
  if (request.storageBytes > 0)
    members = Math.min(members, Math.floor(capacity.storageBytes / request.storageBytes));
  if (request.devices === 0 && request.milli === 0) return members;
  if (request.devices > 0)
    return Math.min(members, Math.floor(countAccepted(node, request) / request.devices));
  let shares = 0;
  for (const device of node.devices) {
    if (!acceptsDevice(request, device)) continue;
    const byMemory =
      request.deviceMemoryBytes > 0 ? Math.floor(device.memoryBytes / request.deviceMemoryBytes) : Infinity;
    shares += Math.min(byMemory, Math.floor(device.milliCapacity / request.milli));
  }
  return Math.min(members, shares);
}

export function countAccepted(node: NodeState, request: ClassRequest): number {
  let count = 0;
  for (const device of node.devices) if (acceptsDevice(request, device)) count++;
  return count;
}
