/**
 * The machine we are on, as a node. It is looked at when the server starts and, where it has accelerators, every
 * half minute: sick devices leave service, their work moves, and what recovered comes back. A look writes only
 * what changed, so an idle machine writes nothing.
 */
import { hostname } from 'node:os';
import {
  CONTAINERS_LABEL,
  type Deps,
  type NodeSpecRecord,
  type NodeStatusRecord,
  type Observation,
  allRows,
  observeNode,
} from '@gantry/control';
import type { Node } from '@gantry/contract';
import { createId, pause } from '@gantry/kit';
import type { Runner } from '@gantry/ports';
import type { Accelerator, LocalInventory, MachineFacts } from '@gantry/runners/inventory';

export interface DeviceReading {
  readonly memoryBytes: number;
  readonly memoryUsedBytes: number;
  readonly memoryReservedBytes: number;
  readonly largestFreeBytes: number;
  /** Who has memory of it, with the most that was seen of each; empty where the driver does not tell. */
  readonly processes: readonly {
    readonly pid: number;
    readonly memoryBytes: number;
    readonly peakBytes: number;
  }[];
  readonly utilisationPercent?: number;
  readonly temperatureC?: number;
}

export interface LocalNode {
  readonly name: string;
  /** Answers the ids of devices that fell sick since the last look. */
  look(): Promise<readonly string[]>;
  /** Of the last look, by device id; empty on a machine without accelerators. */
  readings(): ReadonlyMap<string, DeviceReading>;
  /** Looks again and again until the signal; resolves at once on a machine without accelerators. */
  watch(
    everySeconds: number,
    signal: AbortSignal,
    onFallen: (deviceIds: readonly string[]) => Promise<void>,
  ): Promise<void>;
}

export function createLocalNode(deps: Deps, tenantId: string, inventory: LocalInventory): LocalNode {
  const name = nodeName(hostname());
  let readings = new Map<string, DeviceReading>();
  let isWatched = false;

  const look = async (): Promise<readonly string[]> => {
    const found = await inventory.look();
    const isDriverSilent = 'nvidiaProblem' in found.facts;
    isWatched ||= found.devices.length > 0 || isDriverSilent;
    const before = readings;
    readings = new Map(found.devices.map((device) => [device.id, toReading(device, before.get(device.id))]));
    return record(deps, tenantId, toNodeSpec(name, found, deps.runner.facts.containers), isDriverSilent);
  };

  return {
    name,
    look,
    readings: () => readings,
    watch: async (everySeconds, signal, onFallen) => {
      if (!isWatched) return;
      while (!signal.aborted) {
        await pause(everySeconds * 1000, signal, { isBackground: true });
        if (signal.aborted) return;
        try {
          const fallen = await look();
          if (fallen.length > 0) await onFallen(fallen);
        } catch (error) {
          deps.log.warn({ error: String(error) }, 'a look at this machine failed');
        }
      }
    },
  };
}

function toReading(device: Accelerator, before: DeviceReading | undefined): DeviceReading {
  const { memoryBytes, memoryUsedBytes, memoryReservedBytes, largestFreeBytes, processes = [] } = device;
  const { utilisationPercent, temperatureC } = device;
  const peaks = new Map(before?.processes.map(({ pid, peakBytes }) => [pid, peakBytes]));
  return {
    memoryBytes,
    memoryUsedBytes,
    memoryReservedBytes,
    largestFreeBytes,
    processes: processes.map((process) => ({
      ...process,
      peakBytes: Math.max(process.memoryBytes, peaks.get(process.pid) ?? 0),
    })),
    ...(utilisationPercent === undefined ? {} : { utilisationPercent }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
  };
}

async function record(
  deps: Deps,
  tenantId: string,
  spec: NodeSpecRecord,
  isDriverSilent: boolean,
): Promise<readonly string[]> {
  const name = spec.topology[0] ?? '';
  const known = (await deps.store.read({ platform: true }, (tx) => allRows(tx, 'node'))).find(
    (row) => row.name === name,
  );
  if (known === undefined) {
    await join(deps, tenantId, name, spec);
    return [];
  }
  const seen = observeNode(
    {
      spec: known.spec as NodeSpecRecord,
      status: known.status as NodeStatusRecord,
      state: known.state as Node['state'],
    },
    spec,
    isDriverSilent,
  );
  if (seen === undefined) return [];
  await deps.store.tx({ platform: true }, async (tx) => {
    await tx.update('node', known.id, {
      expectedVersion: known.version,
      spec: seen.spec,
      status: seen.status,
      ...(seen.state === known.state ? {} : { state: seen.state }),
    });
    for (const event of eventsOf(seen, known.state))
      await tx.event({ tenantId, kind: 'node', resourceId: known.id, actor: 'inventory', ...event });
  });
  return seen.fallenDeviceIds;
}

const eventsOf = (
  seen: Observation,
  from: string,
): readonly { type: string; reason: Record<string, unknown>; fromState?: string; toState?: string }[] =>
  seen.events.map(({ type, reason }) => ({
    type,
    reason: { ...reason },
    ...(type === `node.${seen.state}` ? { fromState: from, toState: seen.state } : {}),
  }));

async function join(deps: Deps, tenantId: string, name: string, spec: NodeSpecRecord): Promise<void> {
  await deps.store.tx({ platform: true }, async (tx) => {
    const id = createId('nod', deps.clock.nowMs());
    const row = await tx.insert({ kind: 'node', id, tenantId, name, state: 'ready', spec, status: {} });
    await tx.event({
      tenantId,
      kind: 'node',
      resourceId: row.id,
      type: 'node.joined',
      toState: 'ready',
      actor: 'inventory',
    });
  });
}

function toNodeSpec(
  name: string,
  found: MachineFacts,
  containers: Runner['facts']['containers'],
): NodeSpecRecord {
  return {
    cpuMilli: found.cpu.count * 1000,
    memoryBytes: found.memory.totalBytes,
    storageBytes: found.disks.find((disk) => disk.holdsDataDir)?.freeBytes ?? 0,
    labels: {
      'gantry.dev/hostname': name,
      'kubernetes.io/arch': process.arch,
      'kubernetes.io/os': process.platform,
      ...(containers === undefined ? {} : { [CONTAINERS_LABEL]: 'yes' }),
    },
    topology: [name],
    address: '127.0.0.1',
    devices: found.devices.map(
      ({
        memoryUsedBytes: _used,
        largestFreeBytes: _free,
        processes: _processes,
        utilisationPercent: _utilisation,
        temperatureC: _temperature,
        ...lasting
      }) => lasting,
    ),
    sockets: found.sockets,
    facts: {
      ...found.facts,
      ...(containers === undefined ? {} : { containers: `${containers.tool} ${containers.version}` }),
      cpuModel: found.cpu.model,
      network: found.network,
    },
  };
}

const nodeName = (host: string): string =>
  host
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63) || 'this-machine';
