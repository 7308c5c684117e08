/**
 * Placement scorers: how good it is to put one member of a class on a node that has room for it.
 * Higher is better; equal scores are parted by tie-order.ts.
 */
import type { ClusterState } from './cluster-state.ts';
import type { RequestClass } from './request-class.ts';

export interface Scorer {
  readonly name: string;
  readonly score: (state: ClusterState, requestClass: RequestClass, node: number) => number;
  /** Which device a share goes to; default = the fullest that has room. */
  readonly shareDevice?: (state: ClusterState, requestClass: RequestClass, node: number) => number;
}

/** The fullest device with room, the first of equals. */
export function fullestDevice(state: ClusterState, requestClass: RequestClass, node: number): number {
  let best = -1;
  for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++) {
    if (
      requestClass.takesShareOf(node, device) &&
      (best === -1 || state.freeMilli[device]! < state.freeMilli[best]!)
    )
      best = device;
  }
  return best;
}

export const firstFit: Scorer = { name: 'first-fit', score: () => 0 };

/** Leaves the fewest free devices, then the least free CPU and memory, behind. */
export const bestFit: Scorer = {
  name: 'best-fit',
  score: (state, requestClass, node) => -leftover(state, requestClass, node),
};

/** Spreads: leaves the most behind. */
export const worstFit: Scorer = { name: 'worst-fit', score: leftover };

function leftover(state: ClusterState, { request }: RequestClass, node: number): number {
  const { capacity } = state.nodes[node]!;
  const milli = state.freeMilliTotal[node]! - request.devices * 1000 - request.milli;
  const cpu = capacity.cpuMilli > 0 ? (state.freeCpu[node]! - request.cpuMilli) / capacity.cpuMilli : 0;
  const memory =
    capacity.memoryBytes > 0 ? (state.freeMemory[node]! - request.memoryBytes) / capacity.memoryBytes : 0;
  return milli / 1000 + 0.1 * cpu + 0.1 * memory;
}

export interface ShadowPriceOptions {
  /** CPU that goes with one device in the usual workload (milli). Tuned: 10.5 cores, on openb default. */
  cpuMilliPerDevice?: number;
  /** What a partly used device is worth beside a free one. Tuned on openb default only. */
  partialWorth?: number;
  /** Price of the share left over on the device used. Tuned on openb default only. */
  leftoverPrice?: number;
  /** Price of whole devices left free on the node: packs equal nodes. */
  emptinessPrice?: number;
  /** How sought after each device model is (see scarcity.ts). */
  scarcity?: ReadonlyMap<string, number>;
  /** Price of one device of a model as scarce as its supply. Tuned on openb gpuspec25 only. */
  scarcityPrice?: number;
}

/**
 * A node is worth the devices it can still sell: min(free devices, free CPU / usual CPU per
 * device). Place where the loss of worth is smallest, so that neither CPU nor devices strand.
 */
export function createShadowPrice(options: ShadowPriceOptions = {}): Scorer {
  const {
    cpuMilliPerDevice = 10_500,
    partialWorth = 0.8,
    leftoverPrice = 0.1,
    emptinessPrice = 1e-6,
    scarcity = new Map<string, number>(),
    scarcityPrice = 0.1,
  } = options;
  const worth = (whole: number, partial: number, cpuMilli: number): number =>
    Math.min(whole + partialWorth * partial, cpuMilli / cpuMilliPerDevice);
  return {
    name: 'shadow-price',
    score(state, requestClass, node) {
      const { request } = requestClass;
      const whole = state.wholeFree[node]!;
      const partial = (state.freeMilliTotal[node]! - wholeMilli(state, node, whole)) / 1000;
      const before = worth(whole, partial, state.freeCpu[node]!);
      const cpuAfter = state.freeCpu[node]! - request.cpuMilli;
      const model = state.nodes[node]!.devices[0]?.model;
      const sought =
        model === undefined ? 0 : (scarcity.get(model) ?? 0) * (request.devices + request.milli / 1000);
      const price = emptinessPrice * whole + scarcityPrice * sought;
      if (request.milli === 0) return worth(whole - request.devices, partial, cpuAfter) - before - price;
      const device = fullestDevice(state, requestClass, node);
      const free = state.freeMilli[device]! / 1000;
      const left = free - request.milli / 1000;
      const opened = state.freeMilli[device] === state.milliCapacity[device];
      const after = opened
        ? worth(whole - 1, partial + left, cpuAfter)
        : worth(whole, partial - free + left, cpuAfter);
      return after - before - leftoverPrice * left - price;
    },
  };
}

function wholeMilli(state: ClusterState, node: number, whole: number): number {
  if (whole === 0) return 0;
  if (state.uniform[node] === 1) return whole * state.milliCapacity[state.deviceStart[node]!]!;
  let sum = 0;
  for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++) {
    if (state.deviceOk[device] === 1 && state.freeMilli[device] === state.milliCapacity[device])
      sum += state.milliCapacity[device]!;
  }
  return sum;
}

export const shadowPrice: Scorer = createShadowPrice();

/** Placements that need no knowledge of the workload to come, by name. */
export const PLACEMENTS: Readonly<Record<string, Scorer>> = {
  'shadow-price': shadowPrice,
  'best-fit': bestFit,
  'worst-fit': worstFit,
  'first-fit': firstFit,
};
