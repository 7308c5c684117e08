/**
 * What the planner knows of a device, and from where. Rates of matrix products, streaming kernels and all-reduce
 * inside a node are fitted on Vidur's operator profiles (Agrawal et al., MLSys 2024; github.com/microsoft/vidur,
 * data/profiling): times of Llama-2-7B's operators and of NCCL, none of them a training run. Capacities, link speeds
 * between nodes and PCIe are the vendors'. `npm run bench -- training planner` compares with the profiles again.
 */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** Of the rate of the largest tile. */
  readonly efficiency: number;
}

/** seconds = latency + bytes × 2(n − 1)/n / bytesPerSecond (ring all-reduce; nccl-tests, PERFORMANCE.md). */
export interface RingRate {
  readonly latencySeconds: number;
  readonly bytesPerSecond: number;
}

export interface DeviceProfile {
  readonly name: string;
  readonly memoryBytes: number;
  /** fp16/bf16 with fp32 accumulation, dense: the vendor's peak; what MFU is measured against. */
  readonly peakFlopPerSecond: number;
  readonly matmul: {
    /** With every unit busy. */
    readonly flopPerSecond: number;
    readonly units: number;
    /** Depth whose time a tile loses to its start and end. */
    readonly depthLost: number;
    readonly latencySeconds: number;
    readonly tiles: readonly Tile[];
  };
  /** Attention that stores no scores (FlashAttention). */
  readonly flashFlopPerSecond: number;
  readonly memoryBytesPerSecond: {
    /** Element by element. */
    readonly streaming: number;
    /** Forward of a normalisation. */
    readonly norm: number;
  };
  readonly devicesPerNode: number;
  /** By the ranks of a node that take part. */
  readonly nodeRing: Readonly<Record<2 | 4 | 8, RingRate>>;
  /** Between nodes, of one device's own adapter, one way. */
  readonly networkBytesPerSecond: number;
  /** To the host's memory, one way. */
  readonly hostBytesPerSecond: number;
  readonly source: string;
}

const gib = 1024 ** 3;

const a100: DeviceProfile = {
  name: 'A100-80GB',
  memoryBytes: 80 * gib,
  peakFlopPerSecond: 312e12,
  matmul: {
    flopPerSecond: 256.5e12,
    units: 108,
    depthLost: 82,
    latencySeconds: 3.6e-6,
    tiles: [
      { rows: 256, columns: 128, efficiency: 1 },
      { rows: 128, columns: 128, efficiency: 0.973 },
      { rows: 128, columns: 64, efficiency: 0.949 },
      { rows: 64, columns: 64, efficiency: 0.826 },
    ],
  },
  // FlashAttention-2 (Dao 2023): 50–73 % of the peak on A100; the lower end.
  flashFlopPerSecond: 156e12,
  memoryBytesPerSecond: { streaming: 1_784e9, norm: 669e9 },
  devicesPerNode: 8,
  nodeRing: {
    2: { latencySeconds: 45e-6, bytesPerSecond: 171e9 },
    4: { latencySeconds: 67e-6, bytesPerSecond: 190e9 },
    8: { latencySeconds: 89e-6, bytesPerSecond: 187e9 },
  },
  // DGX A100: eight HDR adapters of 200 Gb/s.
  networkBytesPerSecond: 25e9,
  // PCIe 4 × 16: 32 GB/s by the standard.
  hostBytesPerSecond: 25e9,
  source: 'Vidur profiles of DGX A100; vendor peak 312 TFLOP/s, 8 × HDR 200 Gb/s',
};

const h100: DeviceProfile = {
  name: 'H100-80GB',
  memoryBytes: 80 * gib,
  peakFlopPerSecond: 989e12,
  matmul: {
    flopPerSecond: 840e12,
    units: 132,
    depthLost: 0,
    latencySeconds: 7e-6,
    tiles: [
      { rows: 256, columns: 128, efficiency: 1 },
      { rows: 128, columns: 256, efficiency: 0.777 },
      { rows: 128, columns: 128, efficiency: 0.708 },
      { rows: 128, columns: 64, efficiency: 0.82 },
      { rows: 64, columns: 64, efficiency: 0.763 },
    ],
  },
  // FlashAttention-2 on H100 without change (Dao 2023).
  flashFlopPerSecond: 335e12,
  memoryBytesPerSecond: { streaming: 3_317e9, norm: 1_110e9 },
  devicesPerNode: 8,
  nodeRing: {
    2: { latencySeconds: 16e-6, bytesPerSecond: 286e9 },
    4: { latencySeconds: 23e-6, bytesPerSecond: 346e9 },
    8: { latencySeconds: 40e-6, bytesPerSecond: 374e9 },
  },
  // DGX H100: eight NDR adapters of 400 Gb/s.
  networkBytesPerSecond: 50e9,
  hostBytesPerSecond: 50e9,
  source: 'Vidur profiles of DGX H100; vendor peak 989 TFLOP/s, 8 × NDR 400 Gb/s',
};

/** The same chip with other memory: bandwidths scale with the vendors' figures. */
function withMemory(base: DeviceProfile, name: string, gigabytes: number, ratio: number): DeviceProfile {
  const { streaming, norm } = base.memoryBytesPerSecond;
  return {
    ...base,
    name,
    memoryBytes: gigabytes * gib,
    memoryBytesPerSecond: { streaming: streaming * ratio, norm: norm * ratio },
    source: `${base.source}; memory bandwidth scaled by the vendor's ${ratio.toFixed(2)}`,
  };
}

export const deviceProfiles: readonly DeviceProfile[] = [
  a100,
  withMemory(a100, 'A100-40GB', 40, 1_555 / 2_039),
  h100,
  withMemory(h100, 'H200-141GB', 141, 4_800 / 3_352),
];
