/** Where a replica's processes are: one process, or the ranks of a gang in their order. */
import type { Row } from '@gantry/ports';
import { workerIdOf } from '../jobs/worker-id.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';

export interface ReplicaPlace {
  readonly node: string;
  readonly devices: readonly string[];
}

/** Empty until it is placed. */
export function placesOfReplica({ status }: Pick<Row, 'status'>): readonly ReplicaPlace[] {
  const { node, devices = [], otherRanks = [] } = status as ReplicaStatusRecord;
  return node === undefined ? [] : [{ node, devices }, ...otherRanks];
}

export const ranksOf = ({ engine }: Pick<ReplicaSpecRecord, 'engine'>): number => engine?.ranks ?? 1;

/** The first rank's is the replica's own: that one answers, says its health and is drained. */
export const rankWorkerId = (workerId: string, rank: number): string =>
  rank === 0 ? workerId : workerIdOf(workerId, rank);

/** Of a replica that runs, and of one that has ended; in the order of ranks. */
export function workersOfReplica({ spec, status }: Pick<Row, 'spec' | 'status'>): readonly string[] {
  const { workerId, endedWorkerId } = status as ReplicaStatusRecord;
  const first = workerId ?? endedWorkerId;
  if (first === undefined) return [];
  return Array.from({ length: ranksOf(spec as ReplicaSpecRecord) }, (_, rank) => rankWorkerId(first, rank));
}
