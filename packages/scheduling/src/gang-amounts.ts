/** What a gang or one of its members uses of a queue: devices, milli-cores, bytes of memory, bytes of storage. */
import type { ClassRequest } from './class-request.ts';
import type { Amounts } from './queue-tree.ts';
import type { TaskGroup, Workload } from './snapshot.ts';

export function gangAmounts(
  workload: Workload,
  counts: (group: TaskGroup) => number = (group) => group.minCount,
): Amounts {
  const total = new Float64Array(4);
  for (const group of workload.taskGroups) {
    const { devices, deviceMilli, cpuMilli, memoryBytes, storageBytes } = group.request;
    const count = counts(group);
    const shared = deviceMilli > 0 && deviceMilli < 1000;
    total[0]! += count * (shared ? deviceMilli / 1000 : Math.max(devices, Math.ceil(deviceMilli / 1000)));
    total[1]! += count * cpuMilli;
    total[2]! += count * memoryBytes;
    total[3]! += count * storageBytes;
  }
  return total;
}

/** What a running workload holds; its whole gang where that is not known. */
export function heldAmounts(workload: Workload): Amounts {
  const { allocation } = workload;
  return gangAmounts(workload, ({ name, count }) =>
    allocation === undefined ? count : allocation.filter(({ group }) => group === name).length,
  );
}

export function memberAmounts(
  request: ClassRequest,
): [devices: number, cpuMilli: number, memoryBytes: number, storageBytes: number] {
  return [
    request.devices + request.milli / 1000,
    request.cpuMilli,
    request.memoryBytes,
    request.storageBytes,
  ];
}
