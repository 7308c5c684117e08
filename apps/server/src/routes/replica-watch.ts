/** What an endpoint's replicas say of themselves and use of this machine, asked when somebody looks. */
import { request } from 'node:http';
import type { ReplicaStats } from '@gantry/contract';
import {
  allRows,
  heldByReplica,
  isoNow,
  type ReplicaSpecRecord,
  type ReplicaStatusRecord,
} from '@gantry/control';
import type { EndpointSnapshot, Origin } from '@gantry/gateway';
import { join } from 'node:path';
import type { Platform } from '../platform.ts';
import { createReplicaUse } from '../replica-use.ts';

type SeenReplica = EndpointSnapshot['replicas'][number];
type Told = Pick<ReplicaStats, 'engine' | 'costPerHour' | 'cpuPercent' | 'memoryPercent' | 'devicePercent'>;

const askMs = 1_000;
/** No engine says more of itself. */
const maxBytes = 64 * 1024;

/** By replica. One that does not answer in time is left out. */
export function createReplicaWatch({
  deps,
  dataDir,
  localNode,
}: Platform): (endpointId: string, replicas: readonly SeenReplica[]) => Promise<ReadonlyMap<string, Told>> {
  const readUse = createReplicaUse(join(dataDir, 'workers'), (id) => localNode.readings().get(id));
  return async (endpointId, replicas) => {
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

/** The numbers of our own engines' `/stats`; servers of others have none. */
async function engineStats(origin: Origin): Promise<Record<string, number> | undefined> {
  if (!('socketPath' in origin)) return undefined;
  const text = await new Promise<string>((resolve) => {
    const ask = request({ socketPath: origin.socketPath, path: '/stats', timeout: askMs }, (response) => {
      let said = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        said += chunk;
        if (said.length > maxBytes) ask.destroy();
      });
      response.on('close', () => resolve(said));
    });
    ask.on('timeout', () => ask.destroy());
    ask.on('error', () => resolve(''));
    ask.end();
  });
  try {
    return flatNumbers(JSON.parse(text) as object);
  } catch {
    return undefined;
  }
}

/** `{ batchRows: { p50: 3 } }` is `batchRows.p50`. */
function flatNumbers(value: object, prefix = ''): Record<string, number> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]: [string, unknown]) => {
      if (typeof each === 'number') return [[`${prefix}${name}`, each]];
      return typeof each === 'object' && each !== null && prefix === ''
        ? Object.entries(flatNumbers(each, `${name}.`))
        : [];
    }),
  );
}
