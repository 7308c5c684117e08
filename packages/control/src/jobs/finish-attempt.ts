/**
 * Writes the end of an attempt down once its last rank has ended: what it made is kept and registered, what it held
 * is billed, and the job moves on, all in one transaction. May be repeated until that one is written.
 */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { recordAttemptUsage } from '../ledger/attempt-usage.ts';
import { isStored, recordJobEvaluation, registerJobModel, storeJobModel } from '../models/job-model.ts';
import type { CheckpointMirroring } from './checkpoint-mirror.ts';
import { endOfAttempt } from './end-of-attempt.ts';
import { countedTimeMs, heldTimeMs } from './held-time.ts';
import { type AttemptRecord, currentAttempt } from './job-record.ts';
import { keepResults } from './keep-results.ts';
import type { LiveAttempt } from './live-attempt.ts';
import type { Progress } from './live-progress.ts';
import { moveJob } from './move-job.ts';
import { goOnResized, prepareNextSize } from './next-size.ts';
import { removeS3Volumes } from './s3-volumes.ts';

export interface FinishWorld {
  readonly deps: Deps;
  readonly mirroring: CheckpointMirroring;
  /** Waits out a database that is away. */
  readonly stored: <T>(write: () => Promise<T>) => Promise<T>;
  readonly signal: AbortSignal;
}

export interface Ending {
  readonly at: string;
  /** By the monotonic clock of `deps`. */
  readonly endedMs: number;
  readonly progress: Progress | undefined;
}

export async function finishAttempt(
  { deps, mirroring, stored, signal }: FinishWorld,
  entry: LiveAttempt,
  found: Row,
  attempt: AttemptRecord,
  { at, endedMs, progress }: Ending,
): Promise<void> {
  const exits = [...entry.exits.values()];
  const isDone = exits.every(({ exitClass }) => exitClass === 'done');
  const model = isDone ? await storeJobModel(deps, found, entry.facts) : undefined;
  const kept = await keepResults(deps, mirroring, { row: found, attempt, isDone }, signal);
  const problem = model !== undefined && 'message' in model ? model : kept.problem;
  const next = await prepareNextSize(deps, attempt);
  const wallMs = Date.parse(at) - Date.parse(attempt.placedAt);
  const end = {
    at,
    heldMs: heldTimeMs(wallMs, countedTimeMs(entry, endedMs, wallMs)),
    exits,
    facts: entry.facts,
    outputs: kept.outputs,
    progress,
    ...(problem === undefined ? {} : { problem }),
  };
  await stored(() =>
    moveJob(
      deps,
      entry.jobId,
      (row, before) => {
        const now = currentAttempt(before);
        if (now?.id !== attempt.id) return undefined;
        return goOnResized(deps, endOfAttempt(row, before, now, end), next);
      },
      async (tx, row, status) => {
        const ended = status.attempts.find(({ id }) => id === attempt.id);
        if (ended === undefined) return status;
        const seconds = await recordAttemptUsage(tx, row, ended, deps.prices);
        const billed = { ...status, deviceSeconds: (status.deviceSeconds ?? 0) + seconds };
        if (ended.exitClass !== 'done') return billed;
        await recordJobEvaluation(deps, tx, row, entry.facts.evaluation);
        if (!isStored(model)) return billed;
        return { ...billed, modelVersion: await registerJobModel(deps, tx, row, model, ended) };
      },
    ),
  );
  if (kept.areVolumesStored) await removeS3Volumes(deps, found, attempt);
}
