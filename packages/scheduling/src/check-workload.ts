import { RESOURCE_NAMES, SnapshotError, type Workload } from './snapshot.ts';

/** Throws when the numbers of a workload contradict each other: nothing is planned from it. */
export function checkWorkload(workload: Workload): void {
  for (const group of workload.taskGroups) {
    const { cpuMilli, memoryBytes, storageBytes, devices, deviceMilli } = group.request;
    const isSound =
      group.minCount >= 0 &&
      group.minCount <= group.count &&
      cpuMilli >= 0 &&
      memoryBytes >= 0 &&
      storageBytes >= 0 &&
      devices >= 0 &&
      deviceMilli >= 0;
    if (!isSound) {
      throw new SnapshotError(
        'workload_invalid',
        `Workload ${workload.id} asks for impossible numbers in group "${group.name}".`,
        `Counts and ${RESOURCE_NAMES.join(', ')} must be zero or more, and minCount at most count.`,
      );
    }
  }
}
