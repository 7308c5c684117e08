/**
 * The tie rule. Of nodes with the same score comes first: who has most bytes of what the work reads,
 * then who is less loaded, has more disk free, has more of its network free (each in quarters, so that
 * a flutter changes nothing), then the smallest name.
 */
import type { ClusterState } from './cluster-state.ts';
import type { DataNeed, NodeLive } from './snapshot.ts';

const STEPS = 4;

/** Rank of each node; null when nothing is known that would make it another than the order by name. */
export function tieOrder(state: ClusterState, data: readonly DataNeed[]): Int32Array | null {
  if (state.live.every((live) => live === null)) return null;
  const keys = state.live.map((live) => [-localBytes(live, data), ...loadSteps(live)]);
  const order = state.nodes.map((_, node) => node);
  order.sort((a, b) => firstDifference(keys[a]!, keys[b]!) || a - b);
  const rank = new Int32Array(order.length);
  for (const [at, node] of order.entries()) rank[node] = at;
  return rank;
}

/** Of what the work reads, the part that lies on any node at all. */
export function cachedNeeds(state: ClusterState, data: readonly DataNeed[] | undefined): readonly DataNeed[] {
  if (data === undefined || state.cached.size === 0) return [];
  return data.filter(({ key }) => state.cached.has(key));
}

/** Less is better. Who says nothing is taken for half loaded. */
function loadSteps(live: NodeLive | null): number[] {
  const { load = 0.5, diskFree = 0.5, networkFree = 0.5 } = live ?? {};
  return [step(load), STEPS - step(diskFree), STEPS - step(networkFree)];
}

function step(part: number): number {
  return Math.min(STEPS - 1, Math.max(0, Math.floor(part * STEPS)));
}

function localBytes(live: NodeLive | null, data: readonly DataNeed[]): number {
  return data.reduce(
    (sum, { key, bytes }) => sum + (live?.cached?.includes(key) === true ? Math.max(1, bytes) : 0),
    0,
  );
}

function firstDifference(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) if (value !== b[at]) return value - b[at]!;
  return 0;
}
