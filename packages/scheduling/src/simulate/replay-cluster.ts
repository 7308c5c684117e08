/** A replay's equal nodes, and a job's devices as a gang on them. */
import type { NodeState, Workload } from '../snapshot.ts';
import type { ReplayJob } from './live-job.ts';

export function toNode(index: number, devices: number): NodeState {
  const name = `node-${String(index).padStart(4, '0')}`;
  return {
    id: name,
    name,
    labels: {},
    taints: [],
    topologyPath: [],
    cordoned: false,
    healthy: true,
    capacity: { cpuMilli: 0, memoryBytes: 0, storageBytes: 0 },
    devices: Array.from({ length: devices }, (_, device) => ({
      id: `${name}/${device}`,
      model: 'gpu',
      memoryBytes: 0,
      milliCapacity: 1000,
      healthy: true,
    })),
  };
}

/** Whole nodes as far as they go, the rest on one more. */
export function toWorkload(job: ReplayJob, devicesPerNode: number): Workload {
  const whole = Math.floor(job.devices / devicesPerNode);
  const rest = job.devices % devicesPerNode;
  const group = (name: string, count: number, devices: number): Workload['taskGroups'][number] => ({
    name,
    count,
    minCount: count,
    request: { cpuMilli: 0, memoryBytes: 0, storageBytes: 0, devices, deviceMilli: 0 },
  });
  const taskGroups = [
    ...(whole > 0 ? [group('whole', whole, devicesPerNode)] : []),
    ...(rest > 0 ? [group('rest', 1, rest)] : []),
  ];
  return {
    id: job.id,
    queueId: 'replay',
    tenantId: 'replay',
    priority: 0,
    createdAtMs: 0,
    preemptible: true,
    taskGroups,
    state: 'pending',
  };
}
