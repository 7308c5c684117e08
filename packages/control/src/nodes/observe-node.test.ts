import { describe, expect, it } from 'vitest';
import type { DeviceRecord, NodeSpecRecord } from './node-record.ts';
import { observeNode } from './observe-node.ts';

const device = (id: string, healthy = true): DeviceRecord => ({
  id,
  kind: 'nvidia',
  model: 'H100',
  memoryBytes: 80,
  healthy,
  healthProblems: healthy ? [] : ['2 uncorrectable ECC errors'],
});
const machine = (devices: readonly DeviceRecord[], labels: Record<string, string> = {}): NodeSpecRecord => ({
  cpuMilli: 8000,
  memoryBytes: 1,
  storageBytes: 1,
  labels: { os: 'linux', ...labels },
  topology: ['a'],
  address: '127.0.0.1',
  devices,
  facts: {},
});
const ready = (spec: NodeSpecRecord) => ({ spec, status: {}, state: 'ready' as const });

describe('a look at a machine', () => {
  it('that shows what is known changes nothing, however full the disk is', () => {
    const spec = machine([device('a'), device('b')]);
    expect(observeNode(ready(spec), { ...spec, storageBytes: 99 }, false)).toBeUndefined();
  });

  it('takes a sick device out and leaves its machine in service', () => {
    const seen = observeNode(
      ready(machine([device('a'), device('b')])),
      machine([device('a'), device('b', false)]),
      false,
    );
    expect(seen).toMatchObject({
      state: 'ready',
      fallenDeviceIds: ['b'],
      events: [
        {
          type: 'node.device_unhealthy',
          reason: { device: 'b', problems: ['2 uncorrectable ECC errors'] },
        },
      ],
    });
  });

  it('quarantines a machine whose devices are all sick, and returns it when one is well', () => {
    const out = observeNode(ready(machine([device('a')])), machine([device('a', false)]), false)!;
    expect(out).toMatchObject({ state: 'quarantined', status: { quarantinedBy: 'inventory' } });
    expect(observeNode(out, machine([device('a', false)]), false)).toBeUndefined();
    const back = observeNode(out, machine([device('a')]), false);
    expect(back).toMatchObject({ state: 'ready', status: {} });
    expect(back?.events.map(({ type }) => type)).toEqual(['node.device_healthy', 'node.ready']);
  });

  it("never undoes an operator's word", () => {
    const spec = machine([device('a', false)]);
    const known = { spec, status: {}, state: 'quarantined' as const };
    expect(observeNode(known, machine([device('a')]), false)?.state).toBe('quarantined');
    expect(observeNode({ ...known, state: 'cordoned' }, machine([device('a')]), false)?.state).toBe(
      'cordoned',
    );
  });

  it('calls devices sick, not gone, when the driver stopped answering', () => {
    const seen = observeNode(ready(machine([device('a'), device('b')])), machine([]), true);
    expect(seen?.spec.devices).toMatchObject([
      { id: 'a', healthy: false },
      { id: 'b', healthy: false, healthProblems: ['does not answer any more'] },
    ]);
    expect(seen?.state).toBe('quarantined');
  });

  it('lets a device go that was taken out of the machine', () => {
    const seen = observeNode(ready(machine([device('a'), device('b')])), machine([device('a')]), false);
    expect(seen?.spec.devices.map(({ id }) => id)).toEqual(['a']);
    expect(seen?.fallenDeviceIds).toEqual([]);
  });

  it('keeps what somebody said of it, and lets go of what is seen no more', () => {
    const given = { labels: { rack: 'r7' }, taints: [{ key: 'team', effect: 'NoSchedule' as const }] };
    const known = ready({ ...machine([device('a')], { driver: '570' }), given });
    const next = observeNode(known, machine([device('a'), device('c')]), false)?.spec;
    expect(next).toMatchObject({ given });
    expect(next?.labels).toEqual({ os: 'linux' });
  });
});
