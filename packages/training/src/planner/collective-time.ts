/** Seconds of collectives over groups of ranks that lie in one node or across nodes. */
import type { DeviceProfile } from './device-profile.ts';

export interface Group {
  readonly ranks: number;
  /** How many of them share a node. */
  readonly ranksPerNode: number;
}

/** Sum of `bytes` on every rank, ring algorithm. */
export function allReduceSeconds(device: DeviceProfile, bytes: number, group: Group): number {
  const { ranks, ranksPerNode } = group;
  if (ranks === 1) return 0;
  const share = (2 * (ranks - 1)) / ranks;
  const { latencySeconds, bytesPerSecond } = nodeRing(device, Math.min(ranks, device.devicesPerNode));
  if (ranks <= ranksPerNode) return latencySeconds + (bytes * share) / bytesPerSecond;
  // One ring through all adapters that the group has in a node; within it the ring is the node's own.
  const between = Math.min(bytesPerSecond, device.networkBytesPerSecond * ranksPerNode);
  return latencySeconds + (bytes * share) / between;
}

/** Half an all-reduce: every rank gathers all parts, or keeps its part of the sum. */
export const gatherSeconds = (device: DeviceProfile, bytes: number, group: Group): number =>
  allReduceSeconds(device, bytes, group) / 2;

/** Every rank sends each other an equal part of `bytes`: to those of its node over its links, to the rest over the adapter. */
export function allToAllSeconds(
  device: DeviceProfile,
  bytes: number,
  { ranks, ranksPerNode }: Group,
): number {
  if (ranks === 1) return 0;
  const near = Math.min(ranks, ranksPerNode);
  const { latencySeconds, bytesPerSecond } = nodeRing(device, Math.min(ranks, device.devicesPerNode));
  const within = (bytes * (near - 1)) / ranks / bytesPerSecond;
  const between = (bytes * (ranks - near)) / ranks / device.networkBytesPerSecond;
  return latencySeconds + Math.max(within, between);
}

/** A stage's output to the next: between nodes in all layouts of more than one, else over the node's links. */
export function sendSeconds(device: DeviceProfile, bytes: number, isBetweenNodes: boolean): number {
  return bytes / (isBetweenNodes ? device.networkBytesPerSecond : device.nodeRing[2].bytesPerSecond);
}

function nodeRing({ nodeRing: ring }: DeviceProfile, ranks: number): DeviceProfile['nodeRing'][2] {
  if (ranks <= 2) return ring[2];
  return ranks <= 4 ? ring[4] : ring[8];
}
