/** What replicas use of this machine: cores and memory of their processes, the busy part of their devices. */
import type { ReadReplicaUse } from '@gantry/control';
import { createWorkerMeter } from '@gantry/runners';
import type { DeviceReading } from './local-node.ts';

export function createReplicaUse(
  workersDir: string,
  readDevice: (deviceId: string) => DeviceReading | undefined,
): ReadReplicaUse {
  const meter = createWorkerMeter(workersDir);
  return (replicas) => {
    const uses = meter.read(replicas.map(({ workerId }) => workerId));
    return new Map(
      replicas.flatMap(({ workerId, devices }) => {
        const use = uses.get(workerId);
        if (use === undefined) return [];
        const busy = devices.flatMap((id) => readDevice(id)?.utilisationPercent ?? []);
        const devicePercent = busy.reduce((sum, each) => sum + each, 0) / busy.length;
        return [[workerId, busy.length === 0 ? use : { ...use, devicePercent }] as const];
      }),
    );
  };
}
