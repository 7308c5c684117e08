/** What every kind of accelerator is told as, whichever program was asked. */

export interface MigSlice {
  /** Its number within the GPU. */
  readonly index?: number;
  readonly gpuInstance: number;
  readonly computeInstance: number;
  readonly memoryBytes: number;
  readonly memoryUsedBytes: number;
}

export interface DeviceProcess {
  readonly pid: number;
  readonly memoryBytes: number;
}

export interface Accelerator {
  readonly id: string;
  readonly index: number;
  readonly kind: 'nvidia' | 'amd';
  readonly model: string;
  readonly memoryBytes: number;
  readonly memoryUsedBytes: number;
  /** Held by the driver; nobody can have it. */
  readonly memoryReservedBytes: number;
  /** The most one process might still get, as a guess from above: fragmentation is not told by any driver. */
  readonly largestFreeBytes: number;
  /** Who has memory of it, as far as the driver tells. */
  readonly processes?: readonly DeviceProcess[];
  readonly utilisationPercent?: number;
  readonly temperatureC?: number;
  readonly healthy: boolean;
  readonly healthProblems: readonly string[];
  readonly migEnabled: boolean;
  /** Of a slice: what it was cut to, like `1g.10gb`. */
  readonly profile?: string;
  readonly migSlices: readonly MigSlice[];
  readonly numaNode?: number;
  /** Devices of one name reach each other over NVLink or XGMI. */
  readonly island?: string;
  /** Link to each other device by its index: NV18, PIX, PXB, PHB, NODE, SYS. */
  readonly links?: Readonly<Record<string, string>>;
}

export interface Discovery {
  readonly devices: readonly Accelerator[];
  readonly facts: Readonly<Record<string, unknown>>;
}

export type LinkMatrix = ReadonlyMap<number, ReadonlyMap<number, string>>;

/** Names the groups of devices that `isFast` links join, through others too. */
export function withIslands(
  devices: readonly Accelerator[],
  links: LinkMatrix,
  isFast: (link: string) => boolean,
): readonly Accelerator[] {
  const island = new Map<number, number>();
  for (const { index } of devices) {
    if (island.has(index)) continue;
    const waiting = [index];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (island.has(at)) continue;
      island.set(at, index);
      for (const [peer, link] of links.get(at) ?? []) if (isFast(link)) waiting.push(peer);
    }
  }
  return devices.map((device) => ({
    ...device,
    island: `island-${island.get(device.index)}`,
    ...(links.has(device.index) ? { links: Object.fromEntries(links.get(device.index) ?? []) } : {}),
  }));
}
