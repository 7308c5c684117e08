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
  return free.length === request.devices ? free : byIsland(state, node, free, request.devices);
}

/** The tightest link island that holds all; else the largest islands first. */
function byIsland(state: ClusterState, node: number, free: readonly number[], wanted: number): number[] {
  const start = state.deviceStart[node]!;
  const states = state.nodes[node]!.devices;
  if (states[0]?.island === undefined) return free.slice(0, wanted);
  const islands = new Map<string, number[]>();
  for (const device of free) {
    const island = states[device - start]!.island ?? `#${device}`;
    const members = islands.get(island);
    if (members === undefined) islands.set(island, [device]);
    else members.push(device);
  }
  const bySize = [...islands.values()].sort((a, b) => a.length - b.length);
  const tight = bySize.find((island) => island.length >= wanted);
  return tight === undefined ? bySize.reverse().flat().slice(0, wanted) : tight.slice(0, wanted);
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
