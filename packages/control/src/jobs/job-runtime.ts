/**
 * Brings placed jobs to life and to their end: starts every rank of an attempt, follows what the runner
 * saw, stops the rest of a wounded gang, classifies the end and decides what follows. Everything here can be
 * repeated: a server killed at any line does the same again from the store and from the runner's own list.
 */
import type { WorkerReport } from '@gantry/contract';
import type { Row, WorkerEvent } from '@gantry/ports';
import { createDeferred } from '@gantry/kit';
import { type Deps, isoNow } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { type KeyedMutex, createKeyedMutex } from '../keyed-mutex.ts';
import { untilStored } from '../until-stored.ts';
import { settled, withReport } from './attempt-facts.ts';
import { createCheckpointMirroring } from './checkpoint-mirror.ts';
import type { RankExit } from './end-of-attempt.ts';
import { finishAttempt } from './finish-attempt.ts';
import {
  type AttemptRecord,
  type JobSpecRecord,
  type JobStatusRecord,
  currentAttempt,
  withAttempt,
} from './job-record.ts';
import { type LogFollower, followLogProgress } from './follow-log-progress.ts';
import { type LiveAttempt, createLiveAttempt, notStarted, rankExitOf } from './live-attempt.ts';
import { type Progress, mergeProgress, mergeSeen } from './live-progress.ts';
import { moveJob } from './move-job.ts';
import { tellJobEvent } from './job-event.ts';
import { stragglerEvent } from './straggler-event.ts';
import { mayComeBack } from './rejoin.ts';
import { startAttempt, startRankAgain } from './start-attempt.ts';
import { parseWorkerId, workerIdOf } from './worker-id.ts';

export interface JobRuntime extends AsyncDisposable {
  /** Starts what the scheduler placed; also called for every live job after a restart. */
  ensureStarted(jobId: string): Promise<void>;
  stop(jobId: string, reason: NonNullable<AttemptRecord['stopReason']>): Promise<void>;
  onWorkerEvent(event: WorkerEvent): Promise<boolean>;
  progressOf(jobId: string): Progress | undefined;
  /** What its attempt has said so far that is worth knowing, though it goes on. */
  notesOf(jobId: string): readonly string[];
  idle(): Promise<void>;
}

export function createJobRuntime(deps: Deps, hub: Hub): JobRuntime {
  const mutex: KeyedMutex = createKeyedMutex();
  const live = new Map<string, LiveAttempt>();
  const progress = new Map<string, Progress>();
  const stopped = new AbortController();
  const mirroring = createCheckpointMirroring(deps, stopped.signal);

  const stored = <T>(write: () => Promise<T>): Promise<T> =>
    untilStored(write, { log: deps.log, signal: stopped.signal });

  const readJob = (jobId: string): Promise<Row | undefined> =>
    stored(() => deps.store.read({ platform: true }, (tx) => tx.get('job', jobId)));

  const changed = (jobId: string): void => {
    hub.changed(`job:${jobId}`);
    hub.changed('scheduler');
  };

  const start = (jobId: string, onPreparing: () => void): Promise<void> =>
    mutex.run(jobId, async () => {
      const row = await readJob(jobId);
      if (row === undefined || !['starting', 'running', 'stopping'].includes(row.state)) return;
      const attempt = currentAttempt(row.status as JobStatusRecord);
      if (attempt === undefined || live.has(attempt.id)) return;
      const prepared = createLiveAttempt(deps, row, attempt);
      live.set(attempt.id, prepared);
      const preparation = {
        signal: AbortSignal.any([stopped.signal, prepared.preparation.signal]),
        tell: (note: string | undefined): void => {
          prepared.preparing = note;
          hub.changed(`job:${jobId}`);
          onPreparing();
        },
      };
      try {
        if (row.state === 'stopping') await stopRanks(jobId, attempt, graceOf(row));
        // A worker that was begun is not begun again, so a database that goes away on the way is waited for.
        else await stored(() => startAttempt(deps, row, attempt, preparation));
      } catch (error) {
        // The next server goes on with what this one began.
        if (stopped.signal.aborted) return void live.delete(attempt.id);
        deps.log.error(
          { jobId, attemptId: attempt.id, error: String(error) },
          'an attempt could not be started',
        );
        const known = await knownOf(attempt);
        const entry = live.get(attempt.id);
        for (const { rank } of attempt.placement) {
          if (known.has(workerIdOf(attempt.id, rank))) continue;
          entry?.exits.set(rank, notStarted(error));
        }
        await stopRanks(jobId, attempt, 0);
        await finishIfEnded(attempt.id);
      }
    });

  /** Inputs may take long to fetch; whoever asked need not wait for that, and a stop ends it. */
  const ensureStarted = (jobId: string): Promise<void> => {
    const isPreparing = createDeferred<void>();
    const started = start(jobId, isPreparing.resolve);
    started.catch((error: unknown) =>
      deps.log.error({ jobId, error: String(error) }, 'a job could not be started'),
    );
    return Promise.race([started, isPreparing.promise]);
  };

  /** The ranks' workers that were begun. */
  const knownOf = async ({ id, placement }: AttemptRecord): Promise<ReadonlySet<string>> => {
    const ids = placement.map(({ rank }) => workerIdOf(id, rank));
    return new Set((await deps.runner.list(ids)).map(({ workerId }) => workerId));
  };

  const stopRanks = async (jobId: string, attempt: AttemptRecord, graceMs: number): Promise<void> => {
    const entry = live.get(attempt.id);
    if (entry !== undefined) entry.isStopping = true;
    const known = await knownOf(attempt);
    for (const { rank } of attempt.placement) {
      const workerId = workerIdOf(attempt.id, rank);
      if (known.has(workerId)) await deps.runner.stop(workerId, { graceMs });
      else if (entry?.exits.has(rank) === false)
        entry.exits.set(rank, { exitClass: 'preempted', message: 'never started', stderrTail: [] });
    }
    if (entry?.exits.size === entry?.ranks) await finishIfEnded(attempt.id);
    changed(jobId);
  };

  const stop: JobRuntime['stop'] = (jobId, reason) => {
    for (const entry of live.values()) if (entry.jobId === jobId) entry.preparation.abort();
    return mutex.run(jobId, async () => {
      let grace = 0;
      const row = await stored(() =>
        moveJob(deps, jobId, (before, status) => {
          const attempt = currentAttempt(status);
          if (attempt === undefined) return undefined;
          grace = graceOf(before);
          const stopReason = attempt.stopReason ?? reason;
          return { status: withAttempt(status, { ...attempt, stopReason }) };
        }),
      );
      const attempt = row === undefined ? undefined : currentAttempt(row.status as JobStatusRecord);
      if (attempt !== undefined) await stopRanks(jobId, attempt, grace);
    });
  };

  const tellStraggler = ({ row }: LiveAttempt, before: Progress | undefined, now: Progress): void => {
    const placement = currentAttempt(row.status as JobStatusRecord)?.placement ?? [];
    const reason = stragglerEvent(before, now, placement);
    if (reason !== undefined) void stored(() => tellJobEvent(deps, row, 'job.straggler', reason));
  };

  const onReport = (entry: LiveAttempt, report: WorkerReport): void => {
    if (report.type === 'files') return entry.files.tell(report);
    if (report.type === 'progress') entry.hasReports = true;
    const before = progress.get(entry.jobId);
    const now = mergeProgress(before, report);
    progress.set(entry.jobId, now);
    tellStraggler(entry, before, now);
    entry.facts = withReport(entry.facts, report);
    if (report.type === 'checkpoint') mirroring.poke(entry.row);
    hub.changed(`job:${entry.jobId}`);
  };

  const followLog = (entry: LiveAttempt): LogFollower =>
    followLogProgress(deps.runner, workerIdOf(entry.attemptId, 0), (seen) => {
      if (entry.hasReports) return;
      mirroring.glance(entry.row);
      progress.set(entry.jobId, mergeSeen(progress.get(entry.jobId), seen, isoNow(deps.clock)));
      hub.changed(`job:${entry.jobId}`);
    });

  const onStarted = async (entry: LiveAttempt, rank: number): Promise<void> => {
    entry.started.add(rank);
    if (rank === 0 && !entry.hasReports) entry.log ??= followLog(entry);
    if (entry.started.size < entry.ranks || entry.isStopping) return;
    const now = isoNow(deps.clock);
    await stored(() =>
      moveJob(deps, entry.jobId, (row, status) => {
        const attempt = currentAttempt(status);
        if (row.state !== 'starting' || attempt?.id !== entry.attemptId) return undefined;
        return {
          to: 'running',
          status: {
            ...withAttempt(status, { ...attempt, state: 'running', startedAt: now }),
            startedAt: status.startedAt ?? now,
          },
          reason: { ranks: entry.ranks },
        };
      }),
    );
    changed(entry.jobId);
  };

  /** Whether the rank was begun again while the others go on. */
  const bringBack = async (entry: LiveAttempt, rank: number, exit: RankExit): Promise<boolean> => {
    const { job } = entry.row.spec as JobSpecRecord;
    const times = [...entry.cameBack.values()].reduce((sum, each) => sum + each, 0);
    if (entry.isStopping || entry.exits.size > 0 || !mayComeBack(job, rank, exit, times)) return false;
    const row = await readJob(entry.jobId);
    const attempt = row === undefined ? undefined : currentAttempt(row.status as JobStatusRecord);
    if (row?.state !== 'running' || attempt?.id !== entry.attemptId || attempt.stopReason !== undefined)
      return false;
    const comesBack = (entry.cameBack.get(rank) ?? 0) + 1;
    entry.cameBack.set(rank, comesBack);
    try {
      const preparation = { signal: stopped.signal, tell: () => undefined };
      await startRankAgain(deps, row, attempt, rank, comesBack, preparation);
    } catch (error) {
      deps.log.error({ jobId: entry.jobId, rank, error: String(error) }, 'a rank could not be begun again');
      return false;
    }
    const node = attempt.placement.find((place) => place.rank === rank)?.node;
    const reason = { rank, node, times: comesBack, why: exit.message, stderrTail: exit.stderrTail.slice(-5) };
    await stored(() => tellJobEvent(deps, row, 'job.rank_returned', reason));
    changed(entry.jobId);
    return true;
  };

  const onExit = async (entry: LiveAttempt, rank: number, exit: RankExit): Promise<void> => {
    if (entry.exits.has(rank)) return;
    if (await bringBack(entry, rank, exit)) return;
    entry.exits.set(rank, exit);
    if (rank === 0) await entry.log?.finish();
    if (exit.exitClass !== 'done' && entry.exits.size < entry.ranks && !entry.isStopping) {
      const row = await readJob(entry.jobId);
      const attempt = row === undefined ? undefined : currentAttempt(row.status as JobStatusRecord);
      if (attempt !== undefined) await stopRanks(entry.jobId, attempt, 2_000);
    }
    await finishIfEnded(entry.attemptId);
  };

  const finishIfEnded = async (attemptId: string): Promise<void> => {
    const entry = live.get(attemptId);
    if (entry === undefined || entry.exits.size < entry.ranks) return;
    await entry.files[Symbol.asyncDispose]();
    // Both clocks are read now: what follows may wait for a database.
    const at = isoNow(deps.clock);
    const endedMs = deps.clock.monotonicMs();
    const found = await readJob(entry.jobId);
    const attempt = found === undefined ? undefined : currentAttempt(found.status as JobStatusRecord);
    if (found !== undefined && attempt?.id === attemptId) {
      const ending = { at, endedMs, progress: progress.get(entry.jobId) };
      await finishAttempt({ deps, mirroring, stored, signal: stopped.signal }, entry, found, attempt, ending);
    }
    live.delete(attemptId);
    // Written down for good: no later server needs to hear of it, and what is kept of it may age.
    for (const rank of entry.exits.keys()) await deps.runner.acknowledge(workerIdOf(attemptId, rank), 'end');
    await deps.places.removeRendezvous(attemptId);
    const row = await readJob(entry.jobId);
    if (row === undefined || ['succeeded', 'failed', 'cancelled'].includes(row.state))
      progress.delete(entry.jobId);
    hub.changed('retention');
    changed(entry.jobId);
    if (row?.state === 'starting') void ensureStarted(entry.jobId);
  };

  const onWorkerEvent: JobRuntime['onWorkerEvent'] = async (event) => {
    const parsed = parseWorkerId(event.workerId);
    const entry = parsed === undefined ? undefined : live.get(parsed.attemptId);
    if (parsed === undefined || entry === undefined) return false;
    await mutex.run(entry.jobId, async () => {
      switch (event.type) {
        case 'started':
          return onStarted(entry, parsed.rank);
        case 'report':
          return onReport(entry, event.report);
        case 'exited':
        case 'lost':
          return onExit(entry, parsed.rank, rankExitOf(event));
      }
    });
    return true;
  };

  return {
    ensureStarted,
    stop,
    onWorkerEvent,
    progressOf: (jobId) => progress.get(jobId),
    notesOf: (jobId) =>
      [...live.values()]
        .filter((entry) => entry.jobId === jobId)
        .flatMap(({ facts, preparing }) => [
          ...(preparing === undefined ? [] : [preparing]),
          ...mirroring.notesOf(jobId),
          ...settled(facts).notes,
        ]),
    idle: () => mutex.idle(),
    [Symbol.asyncDispose]: async () => {
      stopped.abort();
      for (const { files } of live.values()) await files[Symbol.asyncDispose]();
      await mutex.idle();
    },
  };
}

const graceOf = (row: Row): number => (row.spec as JobSpecRecord).job.graceSeconds * 1_000;
