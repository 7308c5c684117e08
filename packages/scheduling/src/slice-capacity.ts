/** Whether the slices of a gang would find their places if nothing else ran. */
import { type ClassRequest, acceptsDevice } from './class-request.ts';
import { emptyFit } from './empty-fit.ts';
import type { UnsatisfiableDetail } from './reason.ts';
import { ISLAND, type Seat, seatSlices } from './slices.ts';
import type { NodeState, SliceWish, TaskGroup } from './snapshot.ts';
import { domainNameOf } from './topology.ts';

const ANY_SEAT: Seat = { node: 0, island: null };

/** The nodes of each domain that a gang must stay in; all of them together where it may spread. */
export function domainsOf(
  nodes: readonly NodeState[],
  levels: readonly string[],
  requiredLevel: string | null,
): readonly (readonly NodeState[])[] {
  if (requiredLevel === null) return [nodes];
  const domains = Map.groupBy(nodes, (node) => domainNameOf(node, levels, requiredLevel));
  return [...domains].flatMap(([name, inside]) => (name === null ? [] : [inside]));
}

/** The most slices that one domain of the empty cluster holds, where that is too few. */
export function tooFewSlices(
  { count }: TaskGroup,
  { level, size }: SliceWish,
  request: ClassRequest,
  domains: readonly (readonly NodeState[])[],
  levels: readonly string[],
): UnsatisfiableDetail | null {
  let capacitySlices = 0;
  for (const nodes of domains) {
    const room = sliceRoom(nodes, level, request, levels);
    const spots = room.map((members) => Array.from({ length: members }, () => ANY_SEAT));
    const found = seatSlices(spots, size, count);
    if ('seats' in found) return null;
    capacitySlices = Math.max(capacitySlices, found.slices);
  }
  return { kind: 'slices', level, size, requestedSlices: Math.ceil(count / size), capacitySlices };
}

/** Members side by side in each place where a slice may sit, on empty nodes. */
function sliceRoom(
  nodes: readonly NodeState[],
  level: string,
  request: ClassRequest,
  levels: readonly string[],
): readonly number[] {
  if (level === ISLAND) return nodes.flatMap((node) => islandRoom(node, request));
  const room = new Map<string, number>();
  for (const node of nodes) {
    const domain = domainNameOf(node, levels, level);
    if (domain !== null) room.set(domain, (room.get(domain) ?? 0) + emptyFit(node, request));
  }
  return [...room.values()];
}

/** The largest islands first; no more in all than the node has room for. */
function islandRoom(node: NodeState, request: ClassRequest): readonly number[] {
  if (request.devices === 0) return [];
  let left = emptyFit(node, request);
  return [...islandSizes(node, request).values()]
    .sort((one, other) => other - one)
    .map((devices) => {
      const members = Math.min(left, Math.floor(devices / request.devices));
      left -= members;
      return members;
    });
}

function islandSizes(node: NodeState, request: ClassRequest): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const device of node.devices)
    if (device.island !== undefined && acceptsDevice(request, device))
      sizes.set(device.island, (sizes.get(device.island) ?? 0) + 1);
  return sizes;
}
