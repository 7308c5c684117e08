import type { ReplicaSpecRecord } from './endpoint-record.ts';
import type { HeldAmounts } from '../jobs/rank-groups.ts';
import { ranksOf } from './replica-places.ts';

/** What a replica is billed by, of all its ranks together: its GPUs where it has some, else its cores. */
export function heldByReplica(spec: Pick<ReplicaSpecRecord, 'engine' | 'resources'>): {
  readonly resource: 'gpu_seconds' | 'cpu_seconds';
  readonly units: number;
} {
  const { gpu, cpu } = spec.resources;
  const ranks = ranksOf(spec);
  return gpu > 0
    ? { resource: 'gpu_seconds', units: ranks * gpu }
    : { resource: 'cpu_seconds', units: ranks * cpu };
}

/** What a replica holds, all its ranks together. */
export function amountsOfReplica(spec: Pick<ReplicaSpecRecord, 'engine' | 'resources'>): HeldAmounts {
  const { gpu, cpu, memory } = spec.resources;
  const ranks = ranksOf(spec);
  return { gpus: ranks * gpu, cpus: ranks * cpu, memoryBytes: ranks * memory };
}
