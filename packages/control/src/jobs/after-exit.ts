/**
 * What follows when an attempt has ended: done, again, or failed. Only the user's own failures spend the
 * user's retries; the platform's are free but bounded so that a broken machine cannot loop for ever.
 */
import type { ExitClass, JobSpec, JobState } from '@gantry/contract';
import type { AttemptRecord, JobStatusRecord } from './job-record.ts';

type StopReason = NonNullable<AttemptRecord['stopReason']>;

export const platformRestartLimit = 20;

export interface AfterExit {
  readonly state: Extract<JobState, 'succeeded' | 'failed' | 'cancelled' | 'queued' | 'suspended'>;
  readonly exitClass: ExitClass;
  readonly userRetriesUsed: number;
  readonly platformRestarts: number;
  readonly hint?: string;
}

const hints: Readonly<Partial<Record<ExitClass, string>>> = {
  user_error: 'read the last lines of stderr: gantry job logs NAME --stream stderr',
  out_of_memory: 'ask for more memory (resources.memory), or make the batch smaller',
  time_limit: 'raise timeLimit, or resume from the last checkpoint: gantry job retry NAME',
  infrastructure: 'the platform tried again until its limit; see gantry job events NAME and gantry node list',
};

/** What an attempt ended with that was asked to make room; what finished before that reached it has finished. */
const endsOfGivingWay: Readonly<Partial<Record<StopReason, ExitClass>>> = {
  preempted: 'preempted',
  node_drained: 'preempted',
  suspended: 'suspended',
  resized: 'resized',
};

/** The worst of the ranks decides; a stop that was asked for explains itself. */
export function classifyAttempt(
  exits: readonly ExitClass[],
  stopReason: AttemptRecord['stopReason'],
): ExitClass {
  if (stopReason === 'cancelled') return 'cancelled';
  const gaveWay = stopReason === undefined ? undefined : endsOfGivingWay[stopReason];
  if (gaveWay !== undefined) return exits.every((exit) => exit === 'done') ? 'done' : gaveWay;
  const bySeverity: readonly ExitClass[] = [
    'time_limit',
    'out_of_memory',
    'user_error',
    'infrastructure',
    'preempted',
    'suspended',
    'resized',
    'cancelled',
  ];
  return bySeverity.find((exit) => exits.includes(exit)) ?? 'done';
}

export function afterExit(spec: JobSpec, status: JobStatusRecord, exitClass: ExitClass): AfterExit {
  const after = byClass(spec, status, exitClass);
  const rests = after.state === 'queued' && status.suspended !== undefined;
  return rests ? { ...after, state: 'suspended' } : after;
}

function byClass(spec: JobSpec, status: JobStatusRecord, exitClass: ExitClass): AfterExit {
  const { userRetriesUsed, platformRestarts } = status;
  const same = { exitClass, userRetriesUsed, platformRestarts };
  switch (exitClass) {
    case 'done':
      return { ...same, state: 'succeeded' };
    case 'cancelled':
      return { ...same, state: 'cancelled' };
    case 'preempted':
    case 'suspended':
    case 'resized':
      return { ...same, state: 'queued' };
    case 'infrastructure':
      return platformRestarts < platformRestartLimit
        ? { ...same, state: 'queued', platformRestarts: platformRestarts + 1 }
        : { ...same, state: 'failed', ...hintOf(exitClass) };
    case 'user_error':
    case 'out_of_memory':
    case 'time_limit':
      return userRetriesUsed < spec.retries
        ? { ...same, state: 'queued', userRetriesUsed: userRetriesUsed + 1 }
        : { ...same, state: 'failed', ...hintOf(exitClass) };
  }
}

function hintOf(exitClass: ExitClass): { hint?: string } {
  const hint = hints[exitClass];
  return hint === undefined ? {} : { hint };
}
