/** The values of the fields for one workload at one moment. */
import { gangAmounts } from '../gang-amounts.ts';
import type { Snapshot, Workload } from '../snapshot.ts';
import type { RuleFacts } from './fields.ts';

export interface Moment extends Pick<RuleFacts, 'hour' | 'weekday' | 'load' | 'waiting'> {
  readonly nowMs: number;
  readonly queueNames: ReadonlyMap<string, string>;
}

const DAY_MS = 86_400_000;

export function moment({ nowMs, nodes, queues, workloads }: Snapshot): Moment {
  const devices = nodes.reduce((sum, node) => sum + node.devices.length, 0);
  const used = workloads.reduce(
    (sum, workload) =>
      sum + (workload.state === 'running' ? gangAmounts(workload, ({ count }) => count)[0]! : 0),
    0,
  );
  return {
    nowMs,
    queueNames: new Map(queues.map(({ id, name }) => [id, name])),
    hour: Math.floor((nowMs % DAY_MS) / 3_600_000),
    // The epoch began on a Thursday.
    weekday: ((Math.floor(nowMs / DAY_MS) + 3) % 7) + 1,
    load: devices === 0 ? 0 : Math.min(1, used / devices),
    waiting: workloads.filter(({ state }) => state === 'pending').length,
  };
}

export function factsOf(workload: Workload, { nowMs, queueNames, ...now }: Moment): RuleFacts {
  const until = workload.state === 'running' ? (workload.startedAtMs ?? nowMs) : nowMs;
  return {
    ...now,
    priority: workload.priority,
    devices: gangAmounts(workload, ({ count }) => count)[0]!,
    members: workload.taskGroups.reduce((sum, { count }) => sum + count, 0),
    waited: Math.max(0, until - workload.createdAtMs - (workload.ranForMs ?? 0)) / 1000,
    runtime: (workload.runtimeEstimateMs ?? 0) / 1000,
    preemptions: workload.preemptions ?? 0,
    preemptible: workload.preemptible,
    user: workload.labels?.user ?? '',
    name: workload.labels?.name ?? '',
    queue: queueNames.get(workload.queueId) ?? workload.queueId,
    device_model: workload.taskGroups[0]?.request.deviceModel ?? '',
  };
}
