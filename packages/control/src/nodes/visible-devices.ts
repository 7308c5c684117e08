/** Which devices a process may see, in the words of CUDA. */
import type { DeviceRecord } from './node-record.ts';

/** Accelerators by their index on the node, slices by their id; nothing where devices are CPUs. */
export function cudaNames(
  deviceIds: readonly string[],
  known: readonly DeviceRecord[],
): readonly (number | string)[] {
  return deviceIds.flatMap((id): readonly (number | string)[] => {
    const device = known.find((each) => each.id === id);
    if (device?.profile !== undefined) return [id];
    return device?.index === undefined ? [] : [device.index];
  });
}

/** Indices are positions in bus order (docs/runners.md); CUDA would count by speed otherwise. */
export const visibleDevices = (names: readonly (number | string)[]): Record<string, string> =>
  names.length === 0 ? {} : { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: names.join(',') };

/** CUDA's own server for sharing holds work to it where that server runs; elsewhere it is for the program to keep. */
export const shareOfDevice = (share: number): Record<string, string> => ({
  GANTRY_GPU_SHARE: String(share),
  CUDA_MPS_ACTIVE_THREAD_PERCENTAGE: String(Math.max(1, Math.round(share * 100))),
});
