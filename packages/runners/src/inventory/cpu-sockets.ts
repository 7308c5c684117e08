/** The processors of this machine, one entry a NUMA node: what a machine without accelerators computes on. */
import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';

export interface CpuSocket {
  readonly id: string;
  readonly numaNode: number;
  readonly model: string;
  /** Threads that the operating system schedules on. */
  readonly cores: number;
  readonly memoryBytes: number;
}

/** `sysDir` holds `node0`, `node1`, … as Linux lays them out; without it the machine counts as one node. */
export function readCpuSockets(sysDir = '/sys/devices/system/node'): readonly CpuSocket[] {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  const found = numaNodes(sysDir).flatMap((numaNode): CpuSocket[] => {
    const cores = countCpus(readText(join(sysDir, `node${numaNode}`, 'cpulist')));
    const memory = /MemTotal:\s+(\d+) kB/.exec(readText(join(sysDir, `node${numaNode}`, 'meminfo')));
    // A node of memory alone (CXL, HBM) computes nothing.
    if (cores === 0) return [];
    return [{ id: `cpu-${numaNode}`, numaNode, model, cores, memoryBytes: Number(memory?.[1] ?? 0) * 1024 }];
  });
  if (found.length > 0) return found;
  return [{ id: 'cpu-0', numaNode: 0, model, cores: availableParallelism(), memoryBytes: totalmem() }];
}

function numaNodes(sysDir: string): readonly number[] {
  try {
    const names = readdirSync(sysDir).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []);
    return names.map(Number).toSorted((a, b) => a - b);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** `0-3,8,10-11` → 7. */
export function countCpus(list: string): number {
  return list
    .trim()
    .split(',')
    .reduce((sum, range) => {
      const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
      return first === undefined ? sum : sum + Number(last ?? first) - Number(first) + 1;
    }, 0);
}
