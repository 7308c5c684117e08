/**
 * A gang that changes its size: its attempt ends at a checkpoint, and the next one begins in the same transaction on the
 * devices that were decided when it was asked to stop, so that nobody takes them in between. When a machine among them
 * is not to be used any more by then, the job queues again like any other.
 */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { AttemptRecord } from './job-record.ts';
import type { JobMove } from './move-job.ts';
import { newAttempt, placedReason } from './new-attempt.ts';

/** What the next attempt needs; undefined when there is none of another size. */
export interface NextSize {
  readonly placement: AttemptRecord['placement'];
  readonly masterPort: number;
}

export async function prepareNextSize(
  deps: Deps,
  { stopReason, resizeTo }: AttemptRecord,
): Promise<NextSize | undefined> {
  if (stopReason !== 'resized' || resizeTo === undefined) return undefined;
  const nodeIds = [...new Set(resizeTo.map(({ node }) => node))];
  const nodes = await deps.store.read({ platform: true }, async (tx) => {
    const rows: (Row | undefined)[] = [];
    for (const id of nodeIds) rows.push(await tx.get('node', id));
    return rows;
  });
  if (nodes.some((node) => node?.state !== 'ready')) return undefined;
  return { placement: resizeTo, masterPort: await deps.places.freePort() };
}

/** The end of an attempt that was resized becomes the beginning of the next; every other end stays as it is. */
export function goOnResized(deps: Deps, move: JobMove, next: NextSize | undefined): JobMove {
  const ended = move.status.attempts.at(-1);
  if (next === undefined || ended?.exitClass !== 'resized' || move.to !== 'queued') return move;
  const attempt = newAttempt(deps, move.status, next.placement, next.masterPort);
  return {
    to: 'starting',
    status: { ...move.status, attempts: [...move.status.attempts, attempt] },
    reason: { ...placedReason(attempt), ranksBefore: ended.placement.length },
  };
}
