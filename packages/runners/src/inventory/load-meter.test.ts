import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLoadMeter } from './load-meter.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-load-'));
  mkdirSync(join(dir, 'net'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const link = (name: string, megabits: number): void => {
  mkdirSync(join(dir, 'links', name), { recursive: true });
  writeFileSync(join(dir, 'links', name, 'speed'), `${megabits}\n`);
};
const counters = (bytes: Readonly<Record<string, readonly [received: number, sent: number]>>): void =>
  writeFileSync(
    join(dir, 'net', 'dev'),
    [
      'Inter-|   Receive                        |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed',
      ...Object.entries(bytes).map(
        ([name, [received, sent]]) => `${name.padStart(6)}:${received} 9 0 0 0 0 0 0 ${sent} 9 0 0 0 0 0 0`,
      ),
    ].join('\n'),
  );
const meter = () => createLoadMeter({ dataDir: dir, procDir: dir, linksDir: join(dir, 'links') });

it('says how much of the busiest link is free since the last look, in the busier direction', () => {
  link('eth0', 8_000);
  link('eth1', 800);
  link('veth3', -1);
  counters({ eth0: [0, 0], eth1: [5, 5], veth3: [0, 0] });
  const load = meter();
  expect(load.read(0)).not.toHaveProperty('networkFree');
  // 1 GB/s: a quarter of it; 100 MB/s: half of it; nobody knows of the third.
  counters({ eth0: [500e6, 0], eth1: [5, 100e6 + 5], veth3: [9e12, 0] });
  expect(load.read(2_000).networkFree).toBeCloseTo(0.5);
  expect(load.read(2_500).networkFree).toBeCloseTo(0.5);
  // Counters that begin anew say nothing bad.
  counters({ eth0: [0, 0], eth1: [0, 0] });
  expect(load.read(4_000).networkFree).toBe(1);
});

it('knows its processors and its disk also where nothing is known of the network', () => {
  const { load, diskFree, networkFree } = createLoadMeter({
    dataDir: dir,
    procDir: join(dir, 'nothing'),
    linksDir: join(dir, 'nothing'),
  }).read(0);
  for (const part of [load, diskFree]) expect(part >= 0 && part <= 1).toBe(true);
  expect(networkFree).toBeUndefined();
});
