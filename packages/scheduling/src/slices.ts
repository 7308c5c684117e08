/**
 * Gangs in slices: ranks that talk most (tensor-parallel) sit together in one domain, or on one link
 * island of a node, and the slices (data-parallel) may lie apart. All slices or none.
 */
import type { ClusterState } from './cluster-state.ts';
import type { RequestClass } from './request-class.ts';

/** The level below the host: devices joined by the fast link. */
export const ISLAND = 'island';

/** Where one member may sit; on that link island, where one is asked for. */
export interface Seat {
  readonly node: number;
  readonly island: string | null;
}

/** Seats of one domain side by side, the roomiest node first. */
export function seatsOn(
  nodes: readonly number[],
  requestClass: RequestClass,
  skip: Uint8Array | null,
): readonly Seat[] {
  return nodes
    .filter((node) => skip === null || skip[node] === 0)
    .map((node) => ({ node, count: requestClass.fitCount(node) }))
    .sort((a, b) => b.count - a.count || requestClass.tieOf(a.node) - requestClass.tieOf(b.node))
    .flatMap(({ node, count }) => Array.from({ length: count }, () => ({ node, island: null })));
}

/** Seats of each link island of a node; no more in all than the node has room for. */
export function islandsOn(state: ClusterState, node: number, requestClass: RequestClass): readonly Seat[][] {
  const { devices: each } = requestClass.request;
  let left = each === 0 ? 0 : requestClass.fitCount(node);
  if (left === 0) return [];
  const free = new Map<string, number>();
  const start = state.deviceStart[node]!;
  for (let device = start; device < state.deviceStart[node + 1]!; device++) {
    const { island } = state.nodes[node]!.devices[device - start]!;
    if (island === undefined || !requestClass.isWholeFree(node, device)) continue;
    free.set(island, (free.get(island) ?? 0) + 1);
  }
  return [...free]
    .sort((a, b) => b[1] - a[1])
    .map(([island, devices]) => {
      const count = Math.min(left, Math.floor(devices / each));
      left -= count;
      return Array.from({ length: count }, () => ({ node, island }));
    });
}

/**
 * Seats for `count` members in runs of `size`: the tightest spot that holds all slices that are left,
 * else the one that holds most of them; a shorter last run where least is left over. Or how many runs
 * there is room for. (Greedy is exact here: what a spot has beyond whole slices serves the last run only.)
 */
export function seatSlices(
  spots: readonly (readonly Seat[])[],
  size: number,
  count: number,
): { readonly seats: readonly Seat[] } | { readonly slices: number } {
  const open = spots.map((seats) => [...seats]);
  const slicesOf = (spot: readonly Seat[]): number => Math.floor(spot.length / size);
  const seats: Seat[] = [];
  let left = Math.floor(count / size);
  while (left > 0) {
    let chosen: Seat[] | null = null;
    for (const spot of open) if (isBetter(slicesOf(spot), slicesOf(chosen ?? []), left)) chosen = spot;
    if (chosen === null) return { slices: seats.length / size };
    const taken = Math.min(left, slicesOf(chosen));
    seats.push(...chosen.splice(0, taken * size));
    left -= taken;
  }
  const rest = count % size;
  if (rest === 0) return { seats };
  const [last] = open.filter((spot) => spot.length >= rest).sort((a, b) => a.length - b.length);
  return last === undefined ? { slices: seats.length / size } : { seats: [...seats, ...last.slice(0, rest)] };
}

/** Slices of one spot against those of another, when so many are left to be seated. */
function isBetter(slices: number, than: number, left: number): boolean {
  if (slices === 0) return false;
  if (slices >= left) return than < left || slices < than;
  return slices > than;
}
