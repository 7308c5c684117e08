/**
 * What a fresh look at a machine means: which devices fell sick or recovered, whether the whole machine must leave
 * service or may come back. A sick device alone is kept from new work by the scheduler; its machine stays.
 */
import type { Node } from '@gantry/contract';
import type { DeviceRecord, NodeSpecRecord, NodeStatusRecord } from './node-record.ts';

export interface Observation {
  readonly spec: NodeSpecRecord;
  readonly status: NodeStatusRecord;
  readonly state: Node['state'];
  readonly events: readonly { readonly type: string; readonly reason: Readonly<Record<string, unknown>> }[];
  /** Devices that fell sick now: work on them is lost or wrong, and moves. */
  readonly fallenDeviceIds: readonly string[];
}

interface Known {
  readonly spec: NodeSpecRecord;
  readonly status: NodeStatusRecord;
  readonly state: Node['state'];
}

const silent = 'does not answer any more';

/**
 * Undefined when nothing changed that is worth a write. `isDriverSilent`: the program that lists devices failed, so
 * a device that is missing from `seen` is sick, not removed.
 */
export function observeNode(
  known: Known,
  seen: NodeSpecRecord,
  isDriverSilent: boolean,
): Observation | undefined {
  const devices = isDriverSilent ? withSilent(known.spec.devices, seen.devices) : seen.devices;
  const before = new Map(known.spec.devices.map((device) => [device.id, device]));
  const fallen = devices.filter((device) => !device.healthy && before.get(device.id)?.healthy === true);
  const risen = devices.filter((device) => device.healthy && before.get(device.id)?.healthy === false);
  const isUnfit = devices.length > 0 && devices.every(({ healthy }) => !healthy);
  const state = nextState(known, isUnfit);
  const { given } = known.spec;
  const spec = { ...seen, devices, ...(given === undefined ? {} : { given }) };
  const moved =
    state === known.state ? [] : [{ type: `node.${state}`, reason: { problems: problems(devices) } }];
  const events = [
    ...fallen.map((device) => ({
      type: 'node.device_unhealthy',
      reason: { device: device.id, problems: device.healthProblems ?? [] },
    })),
    ...risen.map((device) => ({ type: 'node.device_healthy', reason: { device: device.id } })),
    ...moved,
  ];
  if (events.length === 0 && JSON.stringify(stable(spec)) === JSON.stringify(stable(known.spec)))
    return undefined;
  const { quarantinedBy: _, ...status } = known.status;
  const isOurs =
    state === 'quarantined' && (state !== known.state || known.status.quarantinedBy !== undefined);
  return {
    spec,
    state,
    status: isOurs ? { ...status, quarantinedBy: 'inventory' } : status,
    events,
    fallenDeviceIds: fallen.map(({ id }) => id),
  };
}

function nextState({ state, status }: Known, isUnfit: boolean): Node['state'] {
  if (isUnfit && state === 'ready') return 'quarantined';
  if (!isUnfit && state === 'quarantined' && status.quarantinedBy === 'inventory') return 'ready';
  return state;
}

function withSilent(known: readonly DeviceRecord[], seen: readonly DeviceRecord[]): readonly DeviceRecord[] {
  const ids = new Set(seen.map(({ id }) => id));
  const lost = known.filter(({ id }) => !ids.has(id));
  return [...seen, ...lost.map((device) => ({ ...device, healthy: false, healthProblems: [silent] }))];
}

const problems = (devices: readonly DeviceRecord[]): readonly string[] => [
  ...new Set(devices.flatMap(({ healthProblems }) => healthProblems ?? [])),
];

/** Free storage moves all the time; a record of it is worth no write of its own. */
const stable = ({ storageBytes: _free, ...spec }: NodeSpecRecord): object => spec;
