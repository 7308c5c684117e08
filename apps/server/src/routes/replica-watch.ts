/** What an endpoint's replicas say of themselves and use of this machine, asked when somebody looks. */
import type { ReplicaStats } from '@gantry/contract';
import {
  allRows,
  heldByReplica,
  isoNow,
  type ReplicaSpecRecord,
  type ReplicaStatusRecord,
} from '@gantry/control';
import type { EndpointSnapshot } from '@gantry/gateway';
import { join } from 'node:path';
import type { Platform } from '../platform.ts';
import { engineStats } from '../engine-stats.ts';
import { createReplicaUse } from '../replica-use.ts';

type SeenReplica = EndpointSnapshot['replicas'][number];
type Told = Pick<ReplicaStats, 'engine' | 'costPerHour' | 'cpuPercent' | 'memoryPercent' | 'devicePercent'>;

/** By replica, of one endpoint or of all. One that does not answer in time is left out. */
export function createReplicaWatch({
  deps,
  dataDir,
  localNode,
}: Platform): (replicas: readonly SeenReplica[], endpointId?: string) => Promise<ReadonlyMap<string, Told>> {
  const readUse = createReplicaUse(join(dataDir, 'workers'), (id) => localNode.readings().get(id));
  return async (replicas, endpointId) => {
    const rows = await deps.store.read({ platform: true }, (tx) =>
      allRows(tx, 'replica', ['ready'], endpointId),
    );
    const used = rows.flatMap((row) => {
      const { workerId, devices = [] } = row.status as ReplicaStatusRecord;
      const { cpu, memory } = (row.spec as ReplicaSpecRecord).resources;
      return workerId === undefined ? [] : [{ id: row.id, workerId, devices, cpu, memory }];
    });
    const uses = readUse(used);
    const engines = await Promise.all(
      replicas.map(async ({ replicaId, origin }) => [replicaId, await engineStats(origin)] as const),
    );
    const at = isoNow(deps.clock);
    const perHour = new Map(
      rows.map(({ id, spec }) => {
        const { resource, units } = heldByReplica(spec as ReplicaSpecRecord);
        return [id, 3_600 * units * deps.prices.priceOf(resource, at).perUnit];
      }),
    );
    const told = new Map<string, Told>(
      engines.map(([replicaId, engine]) => {
        const costPerHour = perHour.get(replicaId);
        return [
          replicaId,
          {
            ...(engine === undefined ? {} : { engine }),
            ...(costPerHour === undefined ? {} : { costPerHour }),
          },
        ];
      }),
    );
    for (const { id, workerId, cpu, memory } of used) {
      const use = uses.get(workerId);
      if (use === undefined) continue;
      told.set(id, {
        ...told.get(id),
        cpuPercent: (100 * use.busyCores) / cpu,
        memoryPercent: (100 * use.residentBytes) / memory,
        ...(use.devicePercent === undefined ? {} : { devicePercent: use.devicePercent }),
      });
    }
    return told;
  };
}
