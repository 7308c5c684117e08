/** What the end of an attempt makes of its job. Pure. */
import { type ExitClass, isTerminal } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import { type AfterExit, afterExit, classifyAttempt } from './after-exit.ts';
import { type AttemptFacts, settled } from './attempt-facts.ts';
import { type AttemptRecord, type JobSpecRecord, type JobStatusRecord, withAttempt } from './job-record.ts';
import type { Progress } from './live-progress.ts';
import type { JobMove } from './move-job.ts';

export interface RankExit {
  readonly exitClass: ExitClass;
  readonly message: string;
  readonly hint?: string;
  readonly stderrTail: readonly string[];
  readonly clockJumpMs?: number;
}

export interface AttemptEnd {
  readonly at: string;
  readonly heldMs: number;
  readonly exits: readonly RankExit[];
  readonly facts: AttemptFacts;
  readonly outputs: Pick<JobStatusRecord, 'outputs' | 'notes'>;
  readonly progress: Progress | undefined;
  /** The ranks ended well, and yet the job did not get what it asked for. */
  readonly problem?: { readonly message: string; readonly hint: string; readonly isUsers?: boolean };
}

export function endOfAttempt(
  row: Row,
  before: JobStatusRecord,
  attempt: AttemptRecord,
  end: AttemptEnd,
): JobMove {
  const { job } = row.spec as JobSpecRecord;
  // The transition table has no way from `starting` to `cancelled`: such a job passed `stopping` already.
  const exitClass = classifyAttempt(
    end.exits.map((exit) => exit.exitClass),
    row.state === 'stopping' ? (attempt.stopReason ?? 'cancelled') : attempt.stopReason,
  );
  const { problem } = end;
  const after =
    problem === undefined ? afterExit(job, before, exitClass) : spoiltEnd(before, problem.isUsers === true);
  const worst = end.exits.find((exit) => exit.exitClass === exitClass);
  const isDone = exitClass === 'done' && problem === undefined;
  const facts = isDone ? settled(end.facts) : end.facts;
  const message = problem?.message ?? facts.fault?.message ?? worst?.message;
  const hint = problem?.hint ?? facts.fault?.hint ?? worst?.hint ?? after.hint?.replaceAll('NAME', row.name);
  const ended: AttemptRecord = {
    ...attempt,
    state: 'ended',
    endedAt: end.at,
    heldMs: end.heldMs,
    exitClass: after.exitClass,
    ...(facts.image === undefined ? {} : { image: facts.image }),
    ...(message === undefined ? {} : { exitMessage: message }),
  };
  const isOver = isTerminal(after.state);
  const notes = [...new Set([...(before.notes ?? []), ...facts.notes, ...(end.outputs.notes ?? [])])];
  const { waiting: _waiting, suspended, ...kept } = withAttempt(before, ended);
  return {
    to: after.state,
    status: {
      ...kept,
      userRetriesUsed: after.userRetriesUsed,
      platformRestarts: after.platformRestarts,
      ...(end.progress === undefined ? {} : { progress: end.progress }),
      ...(facts.artifact === undefined ? {} : { artifact: facts.artifact }),
      ...(end.outputs.outputs === undefined ? {} : { outputs: end.outputs.outputs }),
      ...(notes.length === 0 ? {} : { notes }),
      ...(isOver ? { endedAt: end.at, exitClass: after.exitClass } : {}),
      ...(isOver || suspended === undefined ? {} : { suspended }),
      ...(isOver && message !== undefined && !isDone ? { exitMessage: message } : {}),
      ...(isOver && hint !== undefined && !isDone ? { hint } : {}),
      ...(isDone ? {} : { stderrTail: worst?.stderrTail.slice(-20) ?? [] }),
    },
    reason: { exitClass: after.exitClass, ...(message === undefined ? {} : { message }) },
  };
}

/** Trying again by itself would do the whole work again and meet the same end. */
const spoiltEnd = ({ userRetriesUsed, platformRestarts }: JobStatusRecord, isUsers: boolean): AfterExit => ({
  state: 'failed',
  exitClass: isUsers ? 'user_error' : 'infrastructure',
  userRetriesUsed,
  platformRestarts,
});
