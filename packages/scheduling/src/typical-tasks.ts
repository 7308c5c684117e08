/** The mix of requests that `fgd` weighs fragments with, from the workloads there are. */
import type { TypicalTask } from './fragmentation.ts';
import type { Workload } from './snapshot.ts';

/** The most common kinds; the rest hardly counts. */
const MOST_KINDS = 40;
/** Before there is any work: whole devices of every usual number alike. */
const UNKNOWN: readonly TypicalTask[] = [1, 2, 4, 8].map((devices) => ({
  cpuMilli: 1000 * devices,
  devices,
  milli: 1000,
  model: null,
  part: 0.25,
}));

export function typicalTasks(workloads: readonly Workload[]): readonly TypicalTask[] {
  const kinds = new Map<string, { task: TypicalTask; count: number }>();
  for (const { taskGroups } of workloads)
    for (const { count, request } of taskGroups) {
      const isShare = request.deviceMilli > 0 && request.deviceMilli < 1000;
      const task: TypicalTask = {
        cpuMilli: request.cpuMilli,
        devices: isShare ? 1 : request.devices,
        milli: isShare ? request.deviceMilli : 1000,
        model: request.deviceModel ?? null,
        part: 0,
      };
      const key = JSON.stringify(task);
      const kind = kinds.get(key) ?? { task, count: 0 };
      kind.count += count;
      kinds.set(key, kind);
    }
  if (kinds.size === 0) return UNKNOWN;
  const common = [...kinds.entries()]
    .sort(([a, one], [b, other]) => other.count - one.count || (a < b ? -1 : 1))
    .slice(0, MOST_KINDS)
    .map(([, kind]) => kind);
  const all = common.reduce((sum, { count }) => sum + count, 0);
  return common.map(({ task, count }) => ({ ...task, part: count / all }));
}
