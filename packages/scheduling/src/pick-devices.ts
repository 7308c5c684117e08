/** Which devices of a node a member gets, and what it takes of each. */
import type { ClassRequest } from './class-request.ts';
import { shareMemoryBytes } from './class-request.ts';
import type { ClusterState } from './cluster-state.ts';
import type { RequestClass } from './request-class.ts';
import { fullestDevice, type Scorer } from './scorers.ts';

/** `island`: of this link island only. */
export function pickDevices(
  state: ClusterState,
  scorer: Scorer,
  requestClass: RequestClass,
  node: number,
  island: string | null,
): number[] {
  const { request } = requestClass;
  if (request.milli > 0) return [(scorer.shareDevice ?? fullestDevice)(state, requestClass, node)];
  if (request.devices === 0) return [];
  const start = state.deviceStart[node]!;
  const free: number[] = [];
  for (let device = start; device < state.deviceStart[node + 1]!; device++) {
    if (!requestClass.isWholeFree(node, device)) continue;
    if (island === null || state.nodes[node]!.devices[device - start]!.island === island) free.push(device);
  }
  return free.length === request.devices ? free : closest(state, node, free, request.devices);
}

/** What joins devices of one host, the closest first. */
const closeness = ['island', 'numa'] as const;

/** The tightest link island that holds all, else the tightest socket; else the largest islands first. */
function closest(state: ClusterState, node: number, free: readonly number[], wanted: number): number[] {
  for (const joint of closeness) {
    const tight = groupsOf(state, node, free, joint).find((group) => group.length >= wanted);
    if (tight !== undefined) return largestFirst(state, node, tight).slice(0, wanted);
  }
  return largestFirst(state, node, free).slice(0, wanted);
}

const largestFirst = (state: ClusterState, node: number, free: readonly number[]): number[] =>
  groupsOf(state, node, free, 'island')
    .sort((one, other) => other.length - one.length)
    .flat();

/** The smallest first. Devices of which nothing is known stand alone; where that is all of them, together. */
function groupsOf(
  state: ClusterState,
  node: number,
  free: readonly number[],
  joint: (typeof closeness)[number],
): number[][] {
  const start = state.deviceStart[node]!;
  const states = state.nodes[node]!.devices;
  if (states[0]?.[joint] === undefined) return [[...free]];
  const groups = Map.groupBy(free, (device) => states[device - start]![joint] ?? `#${device}`);
  return [...groups.values()].sort((one, other) => one.length - other.length);
}

/** What a member takes of each of its devices. Shares without stated memory take their part of it. */
export function deviceTake(
  state: ClusterState,
  request: Pick<ClassRequest, 'milli' | 'deviceMemoryBytes'>,
  device: number | undefined,
): { milli: number; deviceMemoryBytes: number } {
  if (device === undefined) return { milli: 0, deviceMemoryBytes: 0 };
  if (request.milli === 0)
    return { milli: state.milliCapacity[device]!, deviceMemoryBytes: state.deviceMemory[device]! };
  return { milli: request.milli, deviceMemoryBytes: shareMemoryBytes(state, request, device) };
}
