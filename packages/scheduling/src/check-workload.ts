import { countOf } from '@gantry/kit';
import { RESOURCE_NAMES, SnapshotError, type Workload } from './snapshot.ts';

/** Throws when the numbers of a workload contradict each other: nothing is planned from it. */
export function checkWorkload(workload: Workload): void {
  const { slices, taskGroups } = workload;
  if (slices !== undefined && !(Number.isInteger(slices.size) && slices.size > 0))
    throw new SnapshotError(
      'workload_invalid',
      `Workload ${workload.id} wants slices of ${countOf(slices.size, 'member')}.`,
      'A slice has a whole number of members, one or more.',
    );
  if (slices !== undefined && taskGroups.some(({ count, minCount }) => minCount < count))
    throw new SnapshotError(
      'workload_invalid',
      `Workload ${workload.id} is elastic and wants slices.`,
      'Members come and go one by one, slices do not: leave out the slices, or the minimum.',
    );
  for (const group of taskGroups) {
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
