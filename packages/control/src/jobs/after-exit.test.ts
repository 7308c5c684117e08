import { type ExitClass, exitClasses, jobSpecSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { afterExit, classifyAttempt, platformRestartLimit } from './after-exit.ts';
import { type AttemptRecord, emptyJobStatus } from './job-record.ts';

const spec = (retries: number) => jobSpecSchema.parse({ command: 'true', retries });

describe('what follows when an attempt has ended', () => {
  /** Exit class → the next state while something is left to spend, and when nothing is; what it spends. */
  const table: Readonly<Record<ExitClass, readonly [string, string, 'user' | 'platform' | 'nothing']>> = {
    done: ['succeeded', 'succeeded', 'nothing'],
    cancelled: ['cancelled', 'cancelled', 'nothing'],
    preempted: ['queued', 'queued', 'nothing'],
    suspended: ['queued', 'queued', 'nothing'],
    resized: ['queued', 'queued', 'nothing'],
    infrastructure: ['queued', 'failed', 'platform'],
    user_error: ['queued', 'failed', 'user'],
    out_of_memory: ['queued', 'failed', 'user'],
    time_limit: ['queued', 'failed', 'user'],
  };

  it.each(exitClasses)('%s', (exitClass) => {
    const [withBudget, without, spends] = table[exitClass];
    const before = { ...emptyJobStatus, userRetriesUsed: 1, platformRestarts: 3 };
    const next = afterExit(spec(2), before, exitClass);
    expect(next).toMatchObject({
      exitClass,
      state: withBudget,
      userRetriesUsed: 1 + Number(spends === 'user'),
      platformRestarts: 3 + Number(spends === 'platform'),
    });
    const spent = { ...emptyJobStatus, userRetriesUsed: 2, platformRestarts: platformRestartLimit };
    const last = afterExit(spec(2), spent, exitClass);
    expect(last).toMatchObject({
      state: without,
      userRetriesUsed: 2,
      platformRestarts: platformRestartLimit,
    });
    // Whoever is told "failed" is told what to do.
    expect(last.hint !== undefined).toBe(without === 'failed');
  });

  it('never gives a user with no retries a second try for the user’s own failure', () => {
    expect(afterExit(spec(0), emptyJobStatus, 'user_error').state).toBe('failed');
    expect(afterExit(spec(0), emptyJobStatus, 'preempted').state).toBe('queued');
  });
});

describe('while its owner wants it to rest', () => {
  const resting = { ...emptyJobStatus, suspended: { by: 'ada', at: '2026-01-01T00:00:00.000Z' } };
  it.each(exitClasses)('%s leads where it would, but never back into the queue', (exitClass) => {
    const usual = afterExit(spec(1), emptyJobStatus, exitClass);
    const state = usual.state === 'queued' ? 'suspended' : usual.state;
    expect(afterExit(spec(1), resting, exitClass)).toEqual({ ...usual, state });
  });
});

describe('the class of a gang', () => {
  const cases: readonly (readonly [readonly ExitClass[], AttemptRecord['stopReason'], ExitClass])[] = [
    [['done', 'done'], undefined, 'done'],
    [['done', 'user_error'], undefined, 'user_error'],
    // A wounded gang is stopped by us: the wound explains it, not our stop.
    [['preempted', 'user_error'], 'rank_failed', 'user_error'],
    [['preempted', 'infrastructure'], 'rank_failed', 'infrastructure'],
    [['preempted', 'out_of_memory', 'infrastructure'], undefined, 'out_of_memory'],
    [['user_error', 'out_of_memory'], undefined, 'out_of_memory'],
    [['time_limit', 'out_of_memory'], undefined, 'time_limit'],
    [['infrastructure', 'user_error'], undefined, 'user_error'],
    // A peer of a lost rank says 75; both are the platform's.
    [['infrastructure', 'infrastructure'], undefined, 'infrastructure'],
    [['user_error', 'preempted'], 'cancelled', 'cancelled'],
    [['done', 'done'], 'cancelled', 'cancelled'],
    // What finished before the eviction reached it has finished.
    [['done', 'done'], 'preempted', 'done'],
    [['user_error', 'done'], 'preempted', 'preempted'],
    [['infrastructure', 'preempted'], 'node_drained', 'preempted'],
    [['done', 'preempted'], 'suspended', 'suspended'],
    [['done', 'done'], 'suspended', 'done'],
    [['preempted', 'preempted'], 'resized', 'resized'],
  ];
  it.each(cases)('%j stopped because %s is %s', (exits, reason, expected) => {
    expect(classifyAttempt(exits, reason)).toBe(expected);
  });
});
