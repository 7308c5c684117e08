import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countCpus, readCpuSockets } from './cpu-sockets.ts';

let sys: string;
beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'gantry-numa-'));
});
afterEach(() => rmSync(sys, { recursive: true, force: true }));

const node = (index: number, cpulist: string, kilobytes: number): void => {
  mkdirSync(join(sys, `node${index}`));
  writeFileSync(join(sys, `node${index}`, 'cpulist'), `${cpulist}\n`);
  writeFileSync(
    join(sys, `node${index}`, 'meminfo'),
    `Node ${index} MemTotal:       ${kilobytes} kB\nNode ${index} MemFree: 1 kB\n`,
  );
};

describe('processors', () => {
  it('are one entry a NUMA node, with its threads and memory', () => {
    node(0, '0-55,112-167', 528_000_000);
    node(1, '56-111,168-223', 528_400_000);
    expect(readCpuSockets(sys)).toMatchObject([
      { id: 'cpu-0', numaNode: 0, cores: 112, memoryBytes: 528_000_000 * 1024 },
      { id: 'cpu-1', numaNode: 1, cores: 112, memoryBytes: 528_400_000 * 1024 },
    ]);
  });

  it('leave out a node that has memory and no processor', () => {
    node(0, '0-3', 1000);
    node(1, '', 64_000_000);
    expect(readCpuSockets(sys).map(({ id }) => id)).toEqual(['cpu-0']);
  });

  it('are one entry where the system tells no nodes', () => {
    expect(readCpuSockets(join(sys, 'none'))).toMatchObject([{ id: 'cpu-0', cores: availableParallelism() }]);
  });

  it.each([
    ['0-3,8,10-11', 7],
    ['0', 1],
    ['', 0],
  ])('counts %j', (list, count) => expect(countCpus(list)).toBe(count));
});
