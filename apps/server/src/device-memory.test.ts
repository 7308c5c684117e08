import { describe, expect, test } from 'vitest';
import { sumOf } from './device-memory.ts';
import type { DeviceReading } from './local-node.ts';

const device = (
  memoryUsedBytes: number,
  processes: readonly (readonly [pid: number, memoryBytes: number, peakBytes: number])[],
): DeviceReading => ({
  memoryBytes: 100,
  memoryUsedBytes,
  memoryReservedBytes: 3,
  largestFreeBytes: 97 - memoryUsedBytes,
  processes: processes.map(([pid, memoryBytes, peakBytes]) => ({ pid, memoryBytes, peakBytes })),
});

describe('what a job has of its devices', () => {
  test('is what its own processes have, on devices that others use too', () => {
    const devices = [
      device(60, [
        [1, 20, 50],
        [9, 40, 40],
      ]),
      device(30, [[2, 30, 35]]),
    ];
    expect(sumOf(devices, (pid) => pid < 5)).toEqual({
      usedBytes: 50,
      peakBytes: 85,
      totalBytes: 200,
      reservedBytes: 6,
      largestFreeBytes: 67,
    });
  });

  test('is all that is in use where the driver does not tell whose it is', () => {
    expect(sumOf([device(60, [])], () => true)).toEqual({
      usedBytes: 60,
      totalBytes: 100,
      reservedBytes: 3,
      largestFreeBytes: 37,
    });
  });
});
