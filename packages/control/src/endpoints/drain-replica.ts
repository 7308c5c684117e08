/**
 * A replica leaves: it is out of the routes already. Our own engines finish their streams when they are told to end;
 * what a server of others does then is its own affair, so it is told once its requests are through.
 */
import { pause } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';

const drainMs = 30_000;
const lookMs = 100;

interface Drain {
  readonly isBusy: (replicaId: string) => boolean;
  /** The server ends: the next one finds the replica draining. */
  readonly signal: AbortSignal;
}

export async function drainReplica(
  { runner }: Pick<Deps, 'runner'>,
  { id, spec, status }: Row,
  { isBusy, signal }: Drain,
): Promise<void> {
  const { workerId } = status as ReplicaStatusRecord;
  if (workerId === undefined) return;
  const { server, engine } = spec as ReplicaSpecRecord;
  const waitsMs = server === undefined && engine === undefined ? 0 : drainMs;
  for (let waitedMs = 0; waitedMs < waitsMs && isBusy(id); waitedMs += lookMs) {
    await pause(lookMs, signal, { isBackground: true });
    if (signal.aborted) return;
  }
  // Of a gang the first rank: the others are stopped once it is gone.
  await runner.stop(workerId, { graceMs: drainMs });
}
