/** A placement becomes real: the row moves on under its version, together with its event. */
import { GantryError } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { AllocationMember } from '@gantry/scheduling';
import { type Deps, isoNow } from '../deps.ts';
import type { ReplicaStatusRecord } from '../endpoints/endpoint-record.ts';
import { type JobSpecRecord, type JobStatusRecord, withAttempt } from '../jobs/job-record.ts';
import { newAttempt, placedReason } from '../jobs/new-attempt.ts';
import { toPlacement } from './attempt-history.ts';

export interface Commit {
  readonly row: Row;
  readonly members: readonly AllocationMember[];
}

/** So many rows move on in one transaction: a durable commit costs about the same for one or for all. */
const CHUNK = 2_500;
/** So many transactions at once: the database has more than one core. */
const LANES = 4;

/** Each hears of its own once its transaction has ended; `failed`: somebody else moved the row, or the chunk failed. */
interface CommitListener {
  readonly committed: (row: Row) => void;
  readonly failed: (row: Row, error: unknown) => void;
}

export async function commitPlacements(
  deps: Deps,
  commits: readonly Commit[],
  on: CommitListener,
): Promise<void> {
  const chunks = Array.from({ length: Math.ceil(commits.length / CHUNK) }, (_, at) =>
    commits.slice(at * CHUNK, (at + 1) * CHUNK),
  );
  const lane = async (): Promise<void> => {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift())
      await commitChunk(deps, chunk, on);
  };
  await Promise.all(Array.from({ length: Math.min(LANES, chunks.length) }, lane));
}

async function commitChunk(deps: Deps, chunk: readonly Commit[], on: CommitListener): Promise<void> {
  const outcomes = new Map<Row, unknown>();
  try {
    const ports = new Map<Row, number>();
    for (const { row, members } of chunk)
      if (row.kind === 'job' || members.length > 1) ports.set(row, await deps.places.freePort());
    await deps.store.tx({ platform: true }, async (tx) => {
      outcomes.clear();
      for (const [row, error] of await placeJobs(deps, tx, chunk, ports)) outcomes.set(row, error);
      for (const { row, members } of chunk) {
        if (row.kind === 'job') continue;
        try {
          await placeReplica(deps, tx, { row, members }, ports.get(row));
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

export function isConflict(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'version_conflict' || code === 'not_found';
}

/** All jobs of a chunk at once; those that somebody else moved meanwhile answer their conflict. */
async function placeJobs(
  deps: Deps,
  tx: Tx,
  chunk: readonly Commit[],
  ports: ReadonlyMap<Row, number>,
): Promise<ReadonlyMap<Row, unknown>> {
  const placed = chunk.flatMap(({ row, members }) => {
    const port = row.kind === 'job' ? ports.get(row) : undefined;
    if (port === undefined) return [];
    const { waiting: _waiting, claim: _claim, ...status } = row.status as JobStatusRecord;
    const placement = toPlacement((row.spec as JobSpecRecord).job, members);
    return [{ row, status, attempt: newAttempt(deps, status, placement, port) }];
  });
  if (placed.length === 0) return new Map();
  const changed = await tx.updateMany(
    'job',
    placed.map(({ row, status, attempt }) => ({
      id: row.id,
      expectedVersion: row.version,
      state: 'starting',
      status: withAttempt(status, attempt),
    })),
  );
  for (const { row, attempt } of placed) {
    if (!changed.has(row.id)) continue;
    await tx.event({
      tenantId: row.tenantId,
      kind: 'job',
      resourceId: row.id,
      type: 'job.placed',
      fromState: 'queued',
      toState: 'starting',
      actor: 'scheduler',
      reason: placedReason(attempt),
    });
  }
  return new Map(placed.map(({ row }) => [row, changed.has(row.id) ? undefined : movedOn(row)]));
}

const movedOn = ({ name }: Row): GantryError =>
  new GantryError('version_conflict', `the job "${name}" was changed meanwhile`, {
    hint: 'it is planned again',
  });

async function placeReplica(
  deps: Deps,
  tx: Tx,
  { row: replica, members }: Commit,
  masterPort: number | undefined,
): Promise<void> {
  const [first, ...others] = members
    .toSorted((one, other) => one.index - other.index)
    .map(({ nodeId, deviceIds }) => ({ node: nodeId, devices: [...deviceIds] }));
  const { waiting: _waiting, claim: _claim, ...status } = replica.status as ReplicaStatusRecord;
  await tx.update('replica', replica.id, {
    expectedVersion: replica.version,
    state: 'starting',
    status: {
      ...status,
      ...first,
      ...(masterPort === undefined ? {} : { otherRanks: others, masterPort }),
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
    reason: { node: first?.node, ...(others.length === 0 ? {} : { ranks: members.length }) },
  });
}
