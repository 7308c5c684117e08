/**
 * Turns a failed try into reasons, the nearest miss and the changes that would help. Each change is
 * tried with the placer on the very state that said no, and rolled back.
 */
import { isTolerated } from './class-request.ts';
import type { NearestMiss, UnblockChange } from './plan.ts';
import type { PlaceFailure } from './placement.ts';
import type { Planning } from './planning.ts';
import type { Reason } from './reason.ts';
import type { RequestClass } from './request-class.ts';
import type { ResourceName, ResourceVector, TaskGroup, Workload } from './snapshot.ts';

/** What people ask for in. */
const CPU_STEP_MILLI = 500;
const MEMORY_STEP_BYTES = 256 * 2 ** 20;

export interface Explanation {
  reasons: Reason[];
  nearestMiss: NearestMiss | null;
  unblock: UnblockChange[];
}

export function explainFailure(
  planning: Planning,
  workload: Workload,
  failure: PlaceFailure,
  skip: Uint8Array | null,
  withChanges: boolean,
): Explanation {
  const unblock = withChanges ? changesThatHelp(planning, workload, skip) : [];
  if (failure.kind === 'topology') {
    const { level, bestDomain, fittingMembers, requestedMembers } = failure;
    return {
      reasons: [
        {
          code: 'topology_not_satisfied',
          tier: 'capacity',
          level,
          requestedMembers,
          bestDomain,
          fittingMembers,
        },
      ],
      nearestMiss: null,
      unblock,
    };
  }
  if (failure.kind === 'slices') {
    const { level, size, fittingSlices, requestedSlices } = failure;
    return {
      reasons: [
        { code: 'slices_not_satisfied', tier: 'capacity', level, size, fittingSlices, requestedSlices },
      ],
      nearestMiss: null,
      unblock,
    };
  }
  const { group, requestClass } = failure;
  return {
    reasons: [capacityReason(planning, group, requestClass)],
    nearestMiss: nearestMiss(planning, group, requestClass),
    unblock,
  };
}

/** Which resource is short, or that there is enough of all and not together. */
export function capacityReason(planning: Planning, group: TaskGroup, requestClass: RequestClass): Reason {
  const { state } = planning;
  const { request } = requestClass;
  const free: Record<ResourceName, number> = { devices: 0, cpuMilli: 0, memoryBytes: 0, storageBytes: 0 };
  let fittingMembers = 0;
  for (let node = 0; node < state.nodes.length; node++) {
    if (requestClass.eligible[node] === 0) continue;
    free.devices += request.milli > 0 ? state.freeMilliTotal[node]! / 1000 : requestClass.wholeDevices(node);
    free.cpuMilli += Math.max(0, state.freeCpu[node]!);
    free.memoryBytes += Math.max(0, state.freeMemory[node]!);
    free.storageBytes += Math.max(0, state.freeStorage[node]!);
    fittingMembers += Math.min(group.minCount, requestClass.fitCount(node));
  }
  const one: Record<ResourceName, number> = { ...request, devices: request.devices + request.milli / 1000 };
  for (const resource of ['devices', 'cpuMilli', 'memoryBytes', 'storageBytes'] as const) {
    const requested = one[resource] * group.minCount;
    if (requested > free[resource] + 1e-9)
      return {
        code: 'insufficient_capacity',
        tier: 'capacity',
        group: group.name,
        resource,
        requested,
        free: free[resource],
        restingNodes: state.schedulable.reduce((resting, able) => resting + 1 - able, 0),
      };
  }
  return {
    code: 'fragmented',
    tier: 'capacity',
    group: group.name,
    requestedMembers: group.minCount,
    fittingMembers: Math.min(fittingMembers, group.minCount),
    freeDevices: free.devices,
  };
}

function nearestMiss(planning: Planning, group: TaskGroup, requestClass: RequestClass): NearestMiss | null {
  const { state } = planning;
  const { request } = requestClass;
  let best: { node: number; distance: number } | null = null;
  for (let node = 0; node < state.nodes.length; node++) {
    if (requestClass.eligible[node] === 0) continue;
    const lack = missingOn(planning, requestClass, node);
    const distance =
      (lack.devices ?? 0) * 10 +
      (lack.cpuMilli ?? 0) / (request.cpuMilli || 1) +
      (lack.memoryBytes ?? 0) / (request.memoryBytes || 1) +
      (lack.storageBytes ?? 0) / (request.storageBytes || 1);
    if (best === null || distance < best.distance) best = { node, distance };
  }
  if (best === null) return null;
  return {
    nodeId: state.nodes[best.node]!.id,
    group: group.name,
    missing: missingOn(planning, requestClass, best.node),
  };
}

function missingOn({ state }: Planning, requestClass: RequestClass, node: number): Partial<ResourceVector> {
  const { request } = requestClass;
  const missing: Partial<ResourceVector> = {};
  let devices = request.devices - (request.devices > 0 ? requestClass.wholeDevices(node) : 0);
  if (request.milli > 0) {
    let most = 0;
    for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++)
      if (state.deviceOk[device] === 1) most = Math.max(most, state.freeMilli[device]!);
    devices = (request.milli - most) / 1000;
  }
  if (devices > 0) missing.devices = devices;
  if (request.cpuMilli > state.freeCpu[node]!) missing.cpuMilli = request.cpuMilli - state.freeCpu[node]!;
  if (request.memoryBytes > state.freeMemory[node]!)
    missing.memoryBytes = request.memoryBytes - state.freeMemory[node]!;
  if (request.storageBytes > state.freeStorage[node]!)
    missing.storageBytes = request.storageBytes - state.freeStorage[node]!;
  return missing;
}

export function withoutTopology(workload: Workload): Workload {
  const { topology: _topology, ...rest } = workload;
  return rest;
}

export function withoutSlices(workload: Workload): Workload {
  const { slices: _slices, ...rest } = workload;
  return rest;
}

const hasOwnSelector = ({ nodeSelector = {}, bound = {} }: Workload): boolean =>
  Object.keys(nodeSelector).some((key) => !(key in bound));

/** What its pool and operators' rules ask of it stays. */
export function withoutOwnSelector(workload: Workload): Workload {
  const { nodeSelector: _nodeSelector, ...rest } = workload;
  return workload.bound === undefined ? rest : { ...rest, nodeSelector: workload.bound };
}

export const tolerating = (workload: Workload, key: string): Workload => ({
  ...workload,
  tolerations: [...(workload.tolerations ?? []), { key }],
});

/** So many kinds of taints are tried at the most. */
const MOST_TAINTS = 8;

function keysOfTaints({ state }: Planning, { tolerations = [] }: Workload): readonly string[] {
  const keys = new Set<string>();
  for (const { taints } of state.nodes)
    for (const taint of taints) if (!isTolerated(taint, tolerations)) keys.add(taint.key);
  return [...keys].sort().slice(0, MOST_TAINTS);
}

function changesThatHelp(planning: Planning, workload: Workload, skip: Uint8Array | null): UnblockChange[] {
  const changes: UnblockChange[] = [];
  const starts = (changed: Workload): boolean => {
    if (!changed.taskGroups.every(({ request }) => hasRoomSomewhere(planning, request))) return false;
    const mark = planning.statement.checkpoint();
    const { ok } = planning.placer.place(changed, { skip });
    planning.statement.rollback(mark);
    return ok;
  };
  if (workload.topology?.mode === 'required' && starts(withoutTopology(workload)))
    changes.push({ kind: 'drop_topology' });
  if (workload.slices !== undefined && starts(withoutSlices(workload))) changes.push({ kind: 'drop_slices' });
  if (hasOwnSelector(workload) && starts(withoutOwnSelector(workload)))
    changes.push({ kind: 'drop_selector' });
  for (const key of keysOfTaints(planning, workload))
    if (starts(tolerating(workload, key))) changes.push({ kind: 'tolerate', key });
  for (const group of workload.taskGroups) {
    const withGroup = (changed: TaskGroup): Workload => ({
      ...workload,
      taskGroups: workload.taskGroups.map((other) => (other === group ? changed : other)),
    });
    const withRequest = (request: TaskGroup['request']): Workload => withGroup({ ...group, request });
    const count = largest(group.minCount - 1, (fewer) =>
      starts(withGroup({ ...group, count: fewer, minCount: fewer })),
    );
    if (count > 0) changes.push({ kind: 'fewer_members', group: group.name, count });
    const devices = largest(group.request.devices - 1, (fewer) =>
      starts(withRequest({ ...group.request, devices: fewer })),
    );
    if (devices > 0) changes.push({ kind: 'fewer_devices', group: group.name, devices });
    const { cpuMilli, memoryBytes } = group.request;
    const cpuSteps = largest(Math.ceil(cpuMilli / CPU_STEP_MILLI) - 1, (steps) =>
      starts(withRequest({ ...group.request, cpuMilli: steps * CPU_STEP_MILLI })),
    );
    if (cpuSteps > 0)
      changes.push({ kind: 'less_cpu', group: group.name, cpuMilli: cpuSteps * CPU_STEP_MILLI });
    const memorySteps = largest(Math.ceil(memoryBytes / MEMORY_STEP_BYTES) - 1, (steps) =>
      starts(withRequest({ ...group.request, memoryBytes: steps * MEMORY_STEP_BYTES })),
    );
    if (memorySteps > 0)
      changes.push({ kind: 'less_memory', group: group.name, memoryBytes: memorySteps * MEMORY_STEP_BYTES });
    const { deviceModel, ...anyModel } = group.request;
    if (deviceModel !== undefined && starts(withRequest(anyModel)))
      changes.push({ kind: 'any_device_model', group: group.name });
  }
  return changes;
}

/** One look at the columns: what no node has free for a single member needs no search. */
function hasRoomSomewhere({ state }: Planning, request: TaskGroup['request']): boolean {
  const { cpuMilli, memoryBytes, storageBytes, devices, deviceMilli } = request;
  for (let node = 0; node < state.nodes.length; node++)
    if (
      state.schedulable[node] === 1 &&
      state.wholeFree[node]! >= devices &&
      state.freeMilliTotal[node]! >= deviceMilli &&
      state.freeCpu[node]! >= cpuMilli &&
      state.freeMemory[node]! >= memoryBytes &&
      state.freeStorage[node]! >= storageBytes
    )
      return true;
  return false;
}

/** The largest value in 1..most that passes, given that smaller is never harder; 0 = none. */
function largest(most: number, passes: (value: number) => boolean): number {
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (passes(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
