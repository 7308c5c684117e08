/** A placement becomes real: the row moves on under its version, together with its event. */
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { AllocationMember } from '@gantry/scheduling';
import { type Deps, isoNow } from '../deps.ts';
import type { ReplicaStatusRecord } from '../endpoints/endpoint-record.ts';
import { type JobStatusRecord, withAttempt } from '../jobs/job-record.ts';
import { newAttempt, placedReason } from '../jobs/new-attempt.ts';

export interface Commit {
  readonly row: Row;
  readonly members: readonly AllocationMember[];
}

/** So many rows move on in one transaction: a durable commit costs about the same for one or for all. */
const CHUNK = 100;

/**
 * Commits placements some at a time; `onCommitted` and `onConflict` (somebody else moved the row, or
 * the chunk failed) hear of each once its transaction has ended.
 */
export async function commitPlacements(
  deps: Deps,
  commits: readonly Commit[],
  on: { committed: (row: Row) => void; failed: (row: Row, error: unknown) => void },
): Promise<void> {
  for (let from = 0; from < commits.length; from += CHUNK) {
    const chunk = commits.slice(from, from + CHUNK);
    const outcomes = new Map<Row, unknown>();
    try {
      const ports = new Map<Row, number>();
      for (const { row } of chunk) if (row.kind === 'job') ports.set(row, await deps.places.freePort());
      await deps.store.tx({ platform: true }, async (tx) => {
        outcomes.clear();
        for (const { row, members } of chunk) {
          try {
            if (row.kind === 'job') await placeJob(deps, tx, row, members, ports.get(row)!);
            else await placeReplica(deps, tx, row, members);
            outcomes.set(row, undefined);
          } catch (error) {
            // A conflict is an update that matched no row: the transaction itself is sound.
            if (!isConflict(error)) throw error;
            outcomes.set(row, error);
          }
        }
      });
    } catch (error) {
      for (const { row } of chunk) outcomes.set(row, error);
    }
    for (const [row, error] of outcomes) {
      if (error === undefined) on.committed(row);
      else on.failed(row, error);
    }
  }
}

export function isConflict(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'version_conflict' || code === 'not_found';
}

async function placeJob(
  deps: Deps,
  tx: Tx,
  job: Row,
  members: readonly AllocationMember[],
  masterPort: number,
): Promise<void> {
  const status = job.status as JobStatusRecord;
  const { waiting: _waiting, ...rest } = status;
  const placement = members.map(({ index, nodeId, deviceIds }) => ({
    rank: index,
    node: nodeId,
    devices: deviceIds,
  }));
  const attempt = newAttempt(deps, status, placement, masterPort);
  await tx.update('job', job.id, {
    expectedVersion: job.version,
    state: 'starting',
    status: withAttempt(rest, attempt),
  });
  await tx.event({
    tenantId: job.tenantId,
    kind: 'job',
    resourceId: job.id,
    type: 'job.placed',
    fromState: 'queued',
    toState: 'starting',
    actor: 'scheduler',
    reason: placedReason(attempt),
  });
}

async function placeReplica(
  deps: Deps,
  tx: Tx,
  replica: Row,
  members: readonly AllocationMember[],
): Promise<void> {
  const { nodeId, deviceIds } = members[0]!;
  const { waiting: _waiting, ...status } = replica.status as ReplicaStatusRecord;
  await tx.update('replica', replica.id, {
    expectedVersion: replica.version,
    state: 'starting',
    status: {
      ...status,
      node: nodeId,
      devices: [...deviceIds],
      placedAt: isoNow(deps.clock),
      workerId: createId('rep', deps.clock.nowMs()),
    },
  });
  await tx.event({
    tenantId: replica.tenantId,
    kind: 'replica',
    resourceId: replica.id,
    type: 'replica.placed',
    fromState: 'queued',
    toState: 'starting',
    actor: 'scheduler',
    reason: { node: nodeId },
  });
}
