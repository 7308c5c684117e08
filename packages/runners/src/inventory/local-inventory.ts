/** What this machine is made of. Accelerators come from discoverers; with none found, its devices are its CPUs. */
import { availableParallelism, cpus, networkInterfaces, release, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Accelerator, Discovery } from './accelerator.ts';
import { discoverAmd } from './amd.ts';
import { type CpuSocket, readCpuSockets } from './cpu-sockets.ts';
import { discoverNvidia } from './nvidia.ts';
import { listRdma } from './rdma.ts';

export interface MachineFacts {
  readonly cpu: { readonly count: number; readonly model: string };
  readonly memory: { readonly totalBytes: number };
  readonly sockets: readonly CpuSocket[];
  readonly disks: readonly {
    readonly path: string;
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly holdsDataDir: boolean;
  }[];
  readonly network: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly devices: readonly Accelerator[];
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface LocalInventory {
  look(): Promise<MachineFacts>;
}

export function createLocalInventory(options: {
  readonly dataDir: string;
  readonly discoverers?: readonly (() => Promise<Discovery>)[];
}): LocalInventory {
  const discoverers = options.discoverers ?? [discoverNvidia, discoverAmd];
  return {
    look: async () => {
      const disk = await statfs(options.dataDir);
      const sockets = readCpuSockets();
      const found = await Promise.all(discoverers.map((discover) => discover()));
      return {
        cpu: { count: availableParallelism(), model: cpus()[0]?.model ?? 'unknown' },
        memory: { totalBytes: memoryLimit() },
        sockets,
        disks: [
          {
            path: options.dataDir,
            totalBytes: disk.blocks * disk.bsize,
            freeBytes: disk.bavail * disk.bsize,
            holdsDataDir: true,
          },
        ],
        network: network(),
        devices: found.flatMap(({ devices }) => devices),
        facts: {
          kernel: release(),
          platform: process.platform,
          numaNodes: sockets.length,
          network: { interfaces: network(), rdma: listRdma() },
          ...Object.assign({}, ...found.map(({ facts }) => facts)),
        },
      };
    },
  };
}

/** The smaller of the machine's memory and the control group's limit. */
function memoryLimit(): number {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const value = Number(readFileSync(file, 'utf8').trim());
      if (Number.isFinite(value) && value > 0) return Math.min(value, totalmem());
    } catch {
      // no such control group here
    }
  }
  return totalmem();
}

function network(): MachineFacts['network'] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const outside = (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => address);
    return outside.length === 0 ? [] : [{ name, addresses: outside }];
  });
}
