/**
 * Rooms that are being made. Before anybody is asked to leave for a workload, its row says which nodes are kept
 * for it, so that a server that starts in between keeps them too (`Workload.kept`); nobody is evicted for a room
 * that could not be written down.
 */
import type { Row } from '@gantry/ports';
import type { Plan, Workload } from '@gantry/scheduling';
import type { Deps } from '../deps.ts';

/** Victims have left by then, or will not. */
const CLAIM_MS = 15 * 60_000;

/** In the status of a queued job or replica, until it is placed. */
export interface ClaimRecord {
  readonly nodeIds: readonly string[];
  readonly until: string;
}

export interface WrittenClaims {
  /** The rows as they are now, by id. */
  readonly rows: ReadonlyMap<string, Row>;
  /** Workloads that somebody else moved meanwhile. */
  readonly refused: ReadonlySet<string>;
}

export async function writeClaims(
  deps: Deps,
  claims: Plan['claims'],
  rowOf: (workloadId: string) => Row | undefined,
): Promise<WrittenClaims> {
  const until = new Date(deps.clock.nowMs() + CLAIM_MS).toISOString();
  const next = claims.flatMap(({ workloadId, nodeIds }) => {
    const row = rowOf(workloadId);
    if (row === undefined) return [];
    const claim: ClaimRecord = { nodeIds, until };
    return [{ ...row, status: { ...(row.status as object), claim }, version: row.version + 1 }];
  });
  const written = next.length === 0 ? new Set<string>() : await writeRows(deps, next);
  return {
    rows: new Map(next.filter(({ id }) => written.has(id)).map((row) => [row.id, row])),
    refused: new Set(claims.map(({ workloadId }) => workloadId).filter((id) => !written.has(id))),
  };
}

function writeRows(deps: Deps, rows: readonly Row[]): Promise<ReadonlySet<string>> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const written = new Set<string>();
    for (const kind of new Set(rows.map((row) => row.kind))) {
      const changes = rows
        .filter((row) => row.kind === kind)
        .map(({ id, status, version }) => ({ id, status, expectedVersion: version - 1 }));
      for (const id of await tx.updateMany(kind, changes)) written.add(id);
    }
    return written;
  });
}

export function claimOf(claim: ClaimRecord | undefined): Pick<Workload, 'kept'> {
  if (claim === undefined) return {};
  return { kept: { why: 'claimed', nodeIds: claim.nodeIds, untilMs: Date.parse(claim.until) } };
}

/** The plan without those who would leave for one of the refused. */
export function withoutRooms(plan: Plan, refused: ReadonlySet<string>): Plan {
  if (refused.size === 0) return plan;
  return {
    ...plan,
    evictions: plan.evictions.filter(({ reason }) => !refused.has(reason.forWorkloadId)),
    resizes: plan.resizes.filter(
      ({ reason }) => reason.code !== 'shrunk' || !refused.has(reason.forWorkloadId),
    ),
  };
}
