/**
 * How much of what they were given an endpoint's replicas use, for targets that ask for it. Read every few seconds,
 * and only while such a target exists: an answer is a mean over that time, not a moment.
 */
import type { Row } from '@gantry/ports';
import type { ObservedLoad, ScalingTargets } from '@gantry/serving';
import type { ReplicaSpecRecord } from './endpoint-record.ts';
import { placesOfReplica, workersOfReplica } from './replica-places.ts';

/** What one replica uses now. */
export interface ReplicaUse {
  readonly busyCores: number;
  readonly residentBytes: number;
  /** Mean of the devices it holds, where they tell. */
  readonly devicePercent?: number;
}

export interface UsedReplica {
  readonly workerId: string;
  readonly devices: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
}

/** By worker; those that nothing is known of are left out. */
export type ReadReplicaUse = (
  replicas: readonly Pick<UsedReplica, 'workerId' | 'devices'>[],
) => ReadonlyMap<string, ReplicaUse>;

export type UsePercents = Pick<ObservedLoad, 'cpuPercent' | 'memoryPercent' | 'devicePercent'>;

const readEveryMs = 5_000;

export const asksForUse = ({ cpuPercent, memoryPercent, devicePercent }: ScalingTargets): boolean =>
  [cpuPercent, memoryPercent, devicePercent].some((target) => target !== undefined);

export function usedReplicas(rows: readonly Row[]): readonly UsedReplica[] {
  return rows.flatMap((row) => {
    const { resources } = row.spec as ReplicaSpecRecord;
    const places = placesOfReplica(row);
    return workersOfReplica(row).map((workerId, rank) => ({
      workerId,
      devices: places[rank]?.devices ?? [],
      cores: resources.cpu,
      memoryBytes: resources.memory,
    }));
  });
}

export class UseWatch {
  readonly #read: ReadReplicaUse;
  readonly #replicas = new Map<string, readonly UsedReplica[]>();
  #seen: ReadonlyMap<string, ReplicaUse> = new Map();
  #readAtMs = -Infinity;

  constructor(read: ReadReplicaUse) {
    this.#read = read;
  }

  /** An empty list forgets the endpoint. */
  keep(endpointId: string, replicas: readonly UsedReplica[]): void {
    if (replicas.length === 0) this.#replicas.delete(endpointId);
    else this.#replicas.set(endpointId, replicas);
  }

  /** Of every endpoint that is kept. `nowMs` is monotonic. */
  look(nowMs: number): ReadonlyMap<string, UsePercents> {
    if (this.#replicas.size > 0 && nowMs - this.#readAtMs >= readEveryMs) {
      this.#readAtMs = nowMs;
      this.#seen = this.#read([...this.#replicas.values()].flat());
    }
    return new Map(
      [...this.#replicas].map(([endpointId, replicas]) => [endpointId, percentsOf(replicas, this.#seen)]),
    );
  }
}

function percentsOf(replicas: readonly UsedReplica[], seen: ReadonlyMap<string, ReplicaUse>): UsePercents {
  const known = replicas.flatMap((replica) => {
    const use = seen.get(replica.workerId);
    return use === undefined ? [] : [{ ...replica, ...use }];
  });
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, each) => sum + each, 0) / values.length;
  const devices = known.flatMap(({ devicePercent }) => devicePercent ?? []);
  return {
    ...(known.length === 0
      ? {}
      : {
          cpuPercent: mean(known.map(({ busyCores, cores }) => (100 * busyCores) / cores)),
          memoryPercent: mean(
            known.map(({ residentBytes, memoryBytes }) => (100 * residentBytes) / memoryBytes),
          ),
        }),
    ...(devices.length === 0 ? {} : { devicePercent: mean(devices) }),
  };
}
