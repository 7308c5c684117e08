/** A machine with accelerators, told by an `nvidia-smi` of our own, under the real server. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Job, Node } from '@gantry/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

let bin: string;
let home: MemoryServer;
const path = process.env['PATH'];

const gpu = (index: number, uncorrectable: number): string =>
  `<gpu id="0000:0${index}:00.0"><product_name>NVIDIA H100 80GB HBM3</product_name><uuid>GPU-${index}</uuid>
<fb_memory_usage><total>81559 MiB</total><reserved>551 MiB</reserved><used>12 MiB</used><free>80996 MiB</free></fb_memory_usage>
<utilization><gpu_util>7 %</gpu_util></utilization><temperature><gpu_temp>34 C</gpu_temp></temperature>
<ecc_errors><volatile><dram_uncorrectable>${uncorrectable}</dram_uncorrectable></volatile></ecc_errors></gpu>`;

/** What the program answers from now on; undefined makes it fail, as it does when the driver hangs. */
async function machineIs(errors: readonly number[] | undefined): Promise<void> {
  const xml =
    errors === undefined
      ? ''
      : `<nvidia_smi_log><driver_version>550.54.15</driver_version>${errors.map((count, index) => gpu(index, count)).join('')}</nvidia_smi_log>`;
  await writeFile(join(bin, 'answer.xml'), xml);
}

const look = async (): Promise<Node> => (await home.operator.call('nodes.list', {})).items[0]!;

async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 1200; tries += 1) {
    const value = await ask();
    if (isSo(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return expect.fail('did not come true within a minute');
}

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'gantry-smi-'));
  const program = join(bin, 'nvidia-smi');
  await writeFile(
    program,
    `#!/bin/sh\n[ "$1" = topo ] && exit 1\n[ -s ${bin}/answer.xml ] || { echo "Unable to determine the device handle"; exit 15; }\ncat ${bin}/answer.xml\n`,
  );
  await chmod(program, 0o755);
  process.env['PATH'] = `${bin}${delimiter}${path}`;
  await machineIs([0, 0]);
  home = await startMemoryServer(['--memory', '--device-check-seconds', '0.5']);
});
afterEach(async () => {
  process.env['PATH'] = path;
  await home[Symbol.asyncDispose]();
  await rm(bin, { recursive: true, force: true });
});

describe('a machine with accelerators', () => {
  test('shows what they are and how they are doing', async () => {
    const { devices, facts, sockets } = await look();
    expect(devices).toMatchObject([
      { id: 'GPU-0', model: 'NVIDIA H100 80GB HBM3', utilisationPercent: 7, temperatureC: 34, healthy: true },
      { id: 'GPU-1', memoryReservedBytes: 551 * 1024 ** 2, largestFreeBytes: 80_996 * 1024 ** 2 },
    ]);
    expect(facts).toMatchObject({ driverVersion: '550.54.15' });
    expect(sockets.length).toBeGreaterThan(0);
  });

  test('moves work off a device that falls sick, and gives the device work again when it is well', async () => {
    const { name } = await home.operator.call('jobs.submit', {
      body: { command: ['sleep', '600'], resources: { cpu: 0.1, memory: '64MiB', gpu: 1 } },
    });
    const job = (): Promise<Job> => home.operator.call('jobs.get', { params: { name } });
    const deviceOf = (each: Job): string | undefined => each.attempts.at(-1)?.placement[0]?.devices[0];
    const first = await until(job, ({ state }) => state === 'running');
    const sick = Number(deviceOf(first)?.at(-1));

    await machineIs([0, 1].map((index) => (index === sick ? 3 : 0)));
    const moved = await until(job, (each) => each.state === 'running' && each.attempts.length === 2);
    expect(deviceOf(moved)).toBe(`GPU-${1 - sick}`);
    expect(moved.attempts[0]).toMatchObject({ exitClass: 'preempted' });
    const MiB = 1024 ** 2;
    expect(moved.progress?.deviceMemory).toEqual({
      usedBytes: 12 * MiB,
      totalBytes: 81_559 * MiB,
      reservedBytes: 551 * MiB,
      largestFreeBytes: 80_996 * MiB,
    });
    const node = await look();
    expect(node.state).toBe('ready');
    expect(node.devices[sick]).toMatchObject({
      healthy: false,
      healthProblems: ['3 uncorrectable ECC errors'],
    });

    await machineIs(undefined);
    expect((await until(look, ({ state }) => state === 'quarantined')).devices).toHaveLength(2);
    await machineIs([0, 0]);
    await until(look, ({ state }) => state === 'ready');
    await until(job, (each) => each.state === 'running' && each.attempts.length === 3);
    await home.operator.call('jobs.cancel', { params: { name } });
    await until(job, ({ state }) => state === 'cancelled');
  });
});
