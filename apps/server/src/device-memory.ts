/** What a running job has of its accelerators' memory, as the driver last told. */
import type { Job } from '@gantry/contract';
import { currentAttempt, workerIdOf, type JobStatusRecord } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { WorkerMeter } from '@gantry/runners';
import type { DeviceReading } from './local-node.ts';

type DeviceMemory = NonNullable<NonNullable<Job['progress']>['deviceMemory']>;

/** Undefined for a job that does not run, or has no device of this machine. */
export type ReadDeviceMemory = (job: Row) => DeviceMemory | undefined;

export function createDeviceMemory(
  meter: WorkerMeter,
  readDevice: (deviceId: string) => DeviceReading | undefined,
): ReadDeviceMemory {
  return (job) => {
    const attempt = job.state === 'running' ? currentAttempt(job.status as JobStatusRecord) : undefined;
    if (attempt === undefined) return undefined;
    const devices = attempt.placement.flatMap((place) => place.devices.flatMap((id) => readDevice(id) ?? []));
    if (devices.length === 0) return undefined;
    const workers = attempt.placement.map(({ rank }) => workerIdOf(attempt.id, rank));
    const pids = new Set([...meter.read(workers).values()].flatMap((use) => use.pids));
    return sumOf(devices, (pid) => pids.has(pid));
  };
}

/** What is in use is what the job's own processes have, or all of it where the driver names none of them. */
export function sumOf(devices: readonly DeviceReading[], isOwn: (pid: number) => boolean): DeviceMemory {
  const sum = (of: (device: DeviceReading) => number): number =>
    devices.reduce((total, device) => total + of(device), 0);
  const own = devices.flatMap(({ processes }) => processes.filter(({ pid }) => isOwn(pid)));
  return {
    usedBytes:
      own.length === 0
        ? sum(({ memoryUsedBytes }) => memoryUsedBytes)
        : own.reduce((total, { memoryBytes }) => total + memoryBytes, 0),
    ...(own.length === 0 ? {} : { peakBytes: own.reduce((total, { peakBytes }) => total + peakBytes, 0) }),
    totalBytes: sum(({ memoryBytes }) => memoryBytes),
    reservedBytes: sum(({ memoryReservedBytes }) => memoryReservedBytes),
    largestFreeBytes: Math.max(...devices.map(({ largestFreeBytes }) => largestFreeBytes)),
  };
}
