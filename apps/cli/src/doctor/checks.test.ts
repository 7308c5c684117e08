import { describe, expect, test } from 'vitest';
import type { Check } from './check.ts';
import { judge } from './checks.ts';
import type { Machine, Probe } from './machine.ts';

const probe: Probe = {
  isolation: { limits: 'cgroup-v2', pidNamespace: true, mounts: true, ownNetwork: true, notes: [] },
  devices: [],
  facts: {},
  disk: { path: '/data', freeBytes: 1e12 },
  hasPostgres: true,
};

const machine: Machine = {
  node: 'v24.1.0',
  runsSource: true,
  platform: 'linux-x64',
  cpus: 8,
  memoryBytes: 32e9,
  user: 'ada',
  openFiles: 65_536,
  dataDir: '/data/gantry',
  isWritable: true,
  server: undefined,
  status: undefined,
  port: 7070,
  isPortFree: true,
  probe,
  probeError: undefined,
  python: { version: '3.12.1', path: '/usr/bin/python3', torch: '2.15.0' },
  programs: { tar: true, git: true },
};

const found = (more: Partial<Machine>, name: string): Check | undefined =>
  judge({ ...machine, ...more }).find((check) => check.name === name);
const server = { pid: 7, url: 'http://127.0.0.1:7070' };

test('a good machine has nothing to complain about', () => {
  expect(judge(machine).filter(({ state }) => state !== 'ok')).toEqual([]);
});

describe('what keeps the platform from running is bad, with the way out', () => {
  const cases: readonly (readonly [name: string, more: Partial<Machine>, hint: RegExp])[] = [
    ['node', { node: 'v22.9.0' }, /npm install/],
    ['node', { node: 'v20.18.0', runsSource: false }, /20\.19/],
    ['data', { isWritable: false }, /--data-dir/],
    ['disk', { probe: { ...probe, disk: { path: '/data', freeBytes: 1e8 } } }, /another disk/],
    ['database', { probe: { ...probe, hasPostgres: false }, platform: 'aix-ppc64' }, /--database-url/],
    ['limits', { probe: undefined, probeError: 'no such file' }, /npm install/],
  ];
  test.each(cases)('%s: %j', (name, more, hint) => {
    const check = found(more, name);
    expect(check?.state).toBe('bad');
    expect(check?.hint).toMatch(hint);
  });
});

describe('what works, weaker, is a warning', () => {
  const isolation = {
    limits: 'watchdog',
    pidNamespace: false,
    mounts: false,
    ownNetwork: false,
    notes: [],
  } as const;
  const cases: readonly (readonly [name: string, more: Partial<Machine>, text: RegExp])[] = [
    ['limits', { probe: { ...probe, isolation } }, /watched/],
    ['processes', { probe: { ...probe, isolation } }, /no PID namespace/],
    ['files', { probe: { ...probe, isolation } }, /refused/],
    ['port', { isPortFree: false }, /another program/],
    ['server', { server }, /does not answer/],
    ['disk', { probe: { ...probe, disk: { path: '/data', freeBytes: 2e9 } } }, /2\.0 GB|2 GB/],
    ['open files', { openFiles: 256 }, /256/],
    ['GPU', { probe: { ...probe, devices: [{ model: 'H100', healthy: false }] } }, /1 × H100; 1 sick/],
    ['tar', { programs: { tar: false, git: true } }, /not installed/],
  ];
  test.each(cases)('%s: %j', (name, more, text) => {
    expect(found(more, name)).toMatchObject({ state: 'warn', text: expect.stringMatching(text) });
  });
});

describe('what is there is named', () => {
  const status = { database: 'postgres 18 (embedded)', version: '0.1.0' };
  const isolation = { ...probe.isolation, limits: 'cgroup-v1' } as const;
  const devices = Array.from({ length: 8 }, () => ({ model: 'H100', healthy: true }));
  const cases: readonly (readonly [name: string, more: Partial<Machine>, text: RegExp])[] = [
    ['database', { server, status }, /postgres 18 \(embedded\)/],
    ['port', { server, status, isPortFree: false }, /held by the server above/],
    ['limits', { probe: { ...probe, isolation } }, /cgroup v1/],
    ['GPU', { probe: { ...probe, devices, facts: { driverVersion: '580.1' } } }, /8 × H100, driver 580\.1/],
    ['python', {}, /torch 2\.15\.0/],
    ['python', { python: { version: '3.12.1', path: '/p', torch: null } }, /without torch/],
    ['python', { python: undefined }, /none found/],
    ['node', { node: 'v20.19.0', runsSource: false }, /v20\.19/],
  ];
  test.each(cases)('%s: %j', (name, more, text) => {
    expect(found(more, name)).toMatchObject({ state: 'ok', text: expect.stringMatching(text) });
  });
});
