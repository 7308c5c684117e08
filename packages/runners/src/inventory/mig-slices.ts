/**
 * The slices of divided GPUs. Their memory stands in `nvidia-smi -q -x`, their names and profiles only in
 * `nvidia-smi -L`; both count them within the GPU.
 */
import type { Accelerator } from './accelerator.ts';

export interface NamedSlice {
  readonly id: string;
  /** Like `1g.10gb`. */
  readonly profile: string;
}

/** By GPU and by the slice's number in it. */
export type NamedSlices = ReadonlyMap<string, ReadonlyMap<number, NamedSlice>>;

/** `nvidia-smi -L`: a line a GPU, the lines of its slices indented below it. */
export function parseDeviceList(text: string): NamedSlices {
  const gpus = new Map<string, Map<number, NamedSlice>>();
  let slices = new Map<number, NamedSlice>();
  for (const line of text.split('\n')) {
    const gpu = /^GPU \d+:.*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1];
    if (gpu !== undefined) {
      slices = new Map();
      gpus.set(gpu, slices);
    }
    const [, profile, number, id] = /^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (profile !== undefined && id !== undefined) slices.set(Number(number), { id, profile });
  }
  return gpus;
}

/** A divided GPU stays in the list, and behind it stands each slice that has a name, as a device of its own. */
export function withSlices(devices: readonly Accelerator[], named: NamedSlices): readonly Accelerator[] {
  return devices.flatMap((gpu) => [
    gpu,
    ...gpu.migSlices.flatMap((slice, position): Accelerator[] => {
      const name = named.get(gpu.id)?.get(slice.index ?? position);
      if (name === undefined) return [];
      const { utilisationPercent: _ofAll, links: _links, island: _island, ...shared } = gpu;
      const { memoryBytes, memoryUsedBytes } = slice;
      const largestFreeBytes = memoryBytes - memoryUsedBytes;
      return [
        {
          ...shared,
          ...name,
          memoryBytes,
          memoryUsedBytes,
          largestFreeBytes,
          memoryReservedBytes: 0,
          migSlices: [],
        },
      ];
    }),
  ]);
}
