/** What is in memory about an attempt that runs; all of it can be made again from the store and the runner. */
import { GantryError, errorCodes } from '@gantry/contract';
import type { Row, WorkerEvent } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { type AttemptFacts, noFacts } from './attempt-facts.ts';
import type { RankExit } from './end-of-attempt.ts';
import type { LogFollower } from './follow-log-progress.ts';
import type { AttemptRecord, JobSpecRecord } from './job-record.ts';
import { OnDemandFiles } from './on-demand-files.ts';

export interface LiveAttempt {
  readonly jobId: string;
  /** As it was when this process came to know of the attempt. */
  readonly row: Row;
  readonly attemptId: string;
  readonly ranks: number;
  readonly started: Set<number>;
  readonly exits: Map<number, RankExit>;
  /** Ranks that were lost and begun again, and how often each. */
  readonly cameBack: Map<number, number>;
  /** By the counting clock, and only when this process saw the placement: when that was. */
  readonly placedMs: number | undefined;
  facts: AttemptFacts;
  isStopping: boolean;
  /** Its own words about its progress count for more than what is read in its log. */
  hasReports: boolean;
  log?: LogFollower;
  /** What it reads of S3 while it runs. */
  readonly files: OnDemandFiles;
  /** Ends what is done before the ranks start. */
  readonly preparation: AbortController;
  /** How far that is, in words. */
  preparing?: string | undefined;
}

export const createLiveAttempt = (deps: Deps, row: Row, attempt: AttemptRecord): LiveAttempt => ({
  jobId: row.id,
  row,
  attemptId: attempt.id,
  ranks: attempt.placement.length,
  started: new Set(),
  exits: new Map(),
  cameBack: new Map(),
  placedMs: countedPlacement(deps, attempt),
  facts: noFacts,
  isStopping: row.state === 'stopping',
  hasReports: (row.spec as JobSpecRecord).job.command === undefined,
  preparation: new AbortController(),
  files: new OnDemandFiles(deps, row, attempt),
});

function countedPlacement(deps: Deps, { placedAt }: AttemptRecord): number | undefined {
  const agoMs = deps.clock.nowMs() - Date.parse(placedAt);
  return Math.abs(agoMs) < 5_000 ? deps.clock.monotonicMs() - agoMs : undefined;
}

export function rankExitOf(event: Extract<WorkerEvent, { type: 'exited' | 'lost' }>): RankExit {
  if (event.type === 'lost') return { exitClass: 'infrastructure', message: event.message, stderrTail: [] };
  const { exitClass, message, stderrTail, hint, clockJumpMs } = event.exit;
  return {
    exitClass,
    message,
    stderrTail,
    ...(hint === undefined ? {} : { hint }),
    ...(clockJumpMs === undefined ? {} : { clockJumpMs }),
  };
}

/** What the user can put right is the user's; everything else is tried again for free. */
export function notStarted(error: unknown): RankExit {
  const isUsers = error instanceof GantryError && errorCodes[error.code].fault === 'caller';
  return {
    exitClass: isUsers ? 'user_error' : 'infrastructure',
    message: `could not be started: ${error instanceof Error ? error.message : String(error)}`,
    stderrTail: [],
    ...(isUsers && error.hint !== undefined ? { hint: error.hint } : {}),
  };
}
