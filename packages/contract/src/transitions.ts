/**
 * Who may move what from where to where. The server refuses everything else; CLI and console read the same
 * tables to say what a user can do next.
 */
import { type JobState, jobStates } from './job.ts';

export type Actor = 'user' | 'scheduler' | 'reconciler';

interface Transition {
  readonly to: JobState;
  readonly by: readonly Actor[];
  readonly event: string;
}

export const jobTransitions: Readonly<Record<JobState, readonly Transition[]>> = {
  queued: [
    { to: 'starting', by: ['scheduler'], event: 'job.placed' },
    { to: 'cancelled', by: ['user'], event: 'job.cancelled' },
    { to: 'suspended', by: ['user'], event: 'job.suspended' },
    { to: 'failed', by: ['reconciler'], event: 'job.failed' },
  ],
  starting: [
    { to: 'running', by: ['reconciler'], event: 'job.running' },
    { to: 'queued', by: ['reconciler', 'scheduler'], event: 'job.requeued' },
    { to: 'stopping', by: ['user', 'scheduler'], event: 'job.stopping' },
    { to: 'succeeded', by: ['reconciler'], event: 'job.succeeded' },
    { to: 'failed', by: ['reconciler'], event: 'job.failed' },
  ],
  running: [
    { to: 'succeeded', by: ['reconciler'], event: 'job.succeeded' },
    { to: 'failed', by: ['reconciler'], event: 'job.failed' },
    { to: 'queued', by: ['reconciler', 'scheduler'], event: 'job.requeued' },
    { to: 'stopping', by: ['user', 'scheduler'], event: 'job.stopping' },
  ],
  stopping: [
    { to: 'cancelled', by: ['reconciler'], event: 'job.cancelled' },
    { to: 'suspended', by: ['reconciler'], event: 'job.suspended' },
    { to: 'starting', by: ['reconciler'], event: 'job.placed' },
    { to: 'queued', by: ['reconciler'], event: 'job.requeued' },
    { to: 'succeeded', by: ['reconciler'], event: 'job.succeeded' },
    { to: 'failed', by: ['reconciler'], event: 'job.failed' },
  ],
  suspended: [
    { to: 'queued', by: ['user'], event: 'job.resumed' },
    { to: 'cancelled', by: ['user'], event: 'job.cancelled' },
  ],
  succeeded: [],
  failed: [{ to: 'queued', by: ['user'], event: 'job.retried' }],
  cancelled: [{ to: 'queued', by: ['user'], event: 'job.retried' }],
};

/** The transition if the table allows it. */
export function jobTransition(from: JobState, to: JobState, by: Actor): Transition | undefined {
  return jobTransitions[from].find((candidate) => candidate.to === to && candidate.by.includes(by));
}

export const isTerminal = (state: JobState): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

/** Not ended yet, whether it holds machines, waits or rests. */
export const unfinishedJobStates: readonly JobState[] = jobStates.filter((state) => !isTerminal(state));
