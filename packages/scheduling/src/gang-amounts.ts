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
