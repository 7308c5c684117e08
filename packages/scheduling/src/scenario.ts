/** Short ways to write clusters, queues and workloads down; used by tests, benches and traces. */
import type { GroupRequest, NodeState, QueueNode, Snapshot, Workload } from './snapshot.ts';

const GIB = 2 ** 30;

export function node(
  name: string,
  devices: number,
  overrides: Partial<NodeState> & { model?: string; deviceMemoryBytes?: number; islandSize?: number } = {},
): NodeState {
  const { model = 'a100', deviceMemoryBytes = 80 * GIB, islandSize, ...rest } = overrides;
  return {
    id: name,
    name,
    labels: {},
    taints: [],
    topologyPath: [],
    cordoned: false,
    healthy: true,
    capacity: { cpuMilli: 96_000, memoryBytes: 768 * GIB, storageBytes: 4096 * GIB },
    devices: Array.from({ length: devices }, (_, index) => ({
      id: `${name}/${index}`,
      model,
      memoryBytes: deviceMemoryBytes,
      milliCapacity: 1000,
      healthy: true,
      ...(islandSize === undefined ? {} : { island: `i${Math.floor(index / islandSize)}` }),
    })),
    ...rest,
  };
}

export function queue(id: string, overrides: Partial<QueueNode> = {}): QueueNode {
  return { id, parentId: null, name: id, ...overrides };
}

export function request(devices: number, overrides: Partial<GroupRequest> = {}): GroupRequest {
  return { cpuMilli: 1000, memoryBytes: GIB, storageBytes: 0, devices, deviceMilli: 0, ...overrides };
}

export interface WorkloadShape extends Partial<Workload> {
  /** Members of the gang, at least so many of them, and devices of each. */
  members?: number;
  minimum?: number;
  devices?: number;
  request?: Partial<GroupRequest>;
}

export function workload(id: string, shape: WorkloadShape = {}): Workload {
  const { members = 1, minimum = members, devices = 1, request: asked, ...rest } = shape;
  return {
    id,
    queueId: 'main',
    tenantId: 't',
    priority: 0,
    createdAtMs: 0,
    preemptible: true,
    taskGroups: [{ name: 'worker', count: members, minCount: minimum, request: request(devices, asked) }],
    state: 'pending',
    ...rest,
  };
}

/** A running workload; `at` lists node and first device offset of each member. */
export function running(
  id: string,
  at: readonly [nodeName: string, firstDevice: number][],
  shape: WorkloadShape = {},
): Workload {
  const pending = workload(id, { members: at.length, ...shape });
  const { devices } = pending.taskGroups[0]!.request;
  return {
    ...pending,
    state: 'running',
    startedAtMs: shape.startedAtMs ?? 0,
    allocation: at.map(([nodeId, first], index) => ({
      group: 'worker',
      index,
      nodeId,
      deviceIds: Array.from({ length: devices }, (_, offset) => `${nodeId}/${first + offset}`),
    })),
  };
}

/** One-device residents on a node from one device to another. */
export function residents(
  prefix: string,
  nodeName: string,
  from: number,
  to: number,
  shape: WorkloadShape = {},
): Workload[] {
  return Array.from({ length: to - from }, (_, index) =>
    running(`${prefix}${index}`, [[nodeName, from + index]], shape),
  );
}

export function snapshot(parts: Partial<Snapshot>): Snapshot {
  return { nowMs: 1_000_000, nodes: [], queues: [queue('main')], workloads: [], ...parts };
}
