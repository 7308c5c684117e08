/**
 * Brings placed jobs to life and to their end: starts every rank of an attempt, follows what the runner
 * saw, stops the rest of a wounded gang, classifies the end and decides what follows. Everything here can be
 * repeated: a server killed at any line does the same again from the store and from the runner's own list.
 */
import { type ExitClass, type JobState, type WorkerReport, jobTransition } from '@gantry/contract';
import type { Row, Tx, WorkerEvent } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { type KeyedMutex, createKeyedMutex } from '../keyed-mutex.ts';
import { registerArtifact } from '../models/register-artifact.ts';
import { recordAttemptUsage } from '../ledger/attempt-usage.ts';
import { afterExit, classifyAttempt } from './after-exit.ts';
import {
  type AttemptRecord,
  type JobSpecRecord,
  type JobStatusRecord,
  currentAttempt,
  withAttempt,
} from './job-record.ts';
import { type Progress, mergeProgress } from './live-progress.ts';
import { startAttempt } from './start-attempt.ts';
import { parseWorkerId, workerIdOf } from './worker-id.ts';

export interface RankExit {
  readonly exitClass: ExitClass;
  readonly message: string;
  readonly stderrTail: readonly string[];
}

interface LiveAttempt {
  readonly jobId: string;
  readonly attemptId: string;
  readonly ranks: number;
  readonly started: Set<number>;
  readonly exits: Map<number, RankExit>;
  isStopping: boolean;
}

export interface JobRuntime {
  /** Starts what the scheduler placed; also called for every live job after a restart. */
  ensureStarted(jobId: string): Promise<void>;
  stop(jobId: string, reason: NonNullable<AttemptRecord['stopReason']>): Promise<void>;
  onWorkerEvent(event: WorkerEvent): Promise<boolean>;
  progressOf(jobId: string): Progress | undefined;
  idle(): Promise<void>;
}

export function createJobRuntime(deps: Deps, hub: Hub): JobRuntime {
  const mutex: KeyedMutex = createKeyedMutex();
  const live = new Map<string, LiveAttempt>();
  const progress = new Map<string, Progress>();
  const facts = new Map<
    string,
    { artifact?: JobStatusRecord['artifact']; fault?: { message: string; hint?: string } }
  >();

  const changed = (jobId: string): void => {
    hub.changed(`job:${jobId}`);
    hub.changed('scheduler');
  };

  /** Loads, decides and writes one job under its version; the change and its event commit together. */
  const move = async (
    jobId: string,
    decide: (
      row: Row,
      status: JobStatusRecord,
    ) => { to?: JobState; status: JobStatusRecord; reason?: Record<string, unknown> } | undefined,
    also?: (tx: Tx, row: Row, status: JobStatusRecord) => Promise<JobStatusRecord | undefined>,
  ): Promise<Row | undefined> =>
    deps.store.tx({ platform: true }, async (tx) => {
      const row = await tx.get('job', jobId);
      if (row === undefined) return undefined;
      const decision = decide(row, row.status as JobStatusRecord);
      if (decision === undefined) return undefined;
      const from = row.state as JobState;
      const transition =
        decision.to === undefined || decision.to === from
          ? undefined
          : jobTransition(from, decision.to, 'reconciler');
      if (decision.to !== undefined && decision.to !== from && transition === undefined) return undefined;
      const status = (await also?.(tx, row, decision.status)) ?? decision.status;
      const next = await tx.update('job', jobId, {
        expectedVersion: row.version,
        status,
        ...(decision.to === undefined ? {} : { state: decision.to }),
      });
      if (transition !== undefined) {
        await tx.event({
          tenantId: row.tenantId,
          kind: 'job',
          resourceId: jobId,
          type: transition.event,
          fromState: from,
          toState: transition.to,
          actor: 'reconciler',
          ...(decision.reason === undefined ? {} : { reason: decision.reason }),
        });
      }
      return next;
    });

  const ensureStarted = (jobId: string): Promise<void> =>
    mutex.run(jobId, async () => {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('job', jobId));
      if (row === undefined || !['starting', 'running', 'stopping'].includes(row.state)) return;
      const attempt = currentAttempt(row.status as JobStatusRecord);
      if (attempt === undefined || live.has(attempt.id)) return;
      live.set(attempt.id, {
        jobId,
        attemptId: attempt.id,
        ranks: attempt.placement.length,
        started: new Set(),
        exits: new Map(),
        isStopping: row.state === 'stopping',
      });
      try {
        if (row.state === 'stopping') await stopRanks(jobId, attempt, graceOf(row));
        else await startAttempt(deps, row, attempt);
      } catch (error) {
        deps.log.error(
          { jobId, attemptId: attempt.id, error: String(error) },
          'an attempt could not be started',
        );
        const known = new Set((await deps.runner.list()).map(({ workerId }) => workerId));
        const entry = live.get(attempt.id);
        for (const { rank } of attempt.placement) {
          if (known.has(workerIdOf(attempt.id, rank))) continue;
          entry?.exits.set(rank, {
            exitClass: 'infrastructure',
            message: `could not be started: ${String(error)}`,
            stderrTail: [],
          });
        }
        await stopRanks(jobId, attempt, 0);
        await finishIfEnded(attempt.id);
      }
    });

  const stopRanks = async (jobId: string, attempt: AttemptRecord, graceMs: number): Promise<void> => {
    const entry = live.get(attempt.id);
    if (entry !== undefined) entry.isStopping = true;
    const known = new Set((await deps.runner.list()).map(({ workerId }) => workerId));
    for (const { rank } of attempt.placement) {
      const workerId = workerIdOf(attempt.id, rank);
      if (known.has(workerId)) await deps.runner.stop(workerId, { graceMs });
      else entry?.exits.set(rank, { exitClass: 'preempted', message: 'never started', stderrTail: [] });
    }
    if (entry?.exits.size === entry?.ranks) await finishIfEnded(attempt.id);
    changed(jobId);
  };

  const stop: JobRuntime['stop'] = (jobId, reason) =>
    mutex.run(jobId, async () => {
      let grace = 0;
      const row = await deps.store.tx({ platform: true }, async (tx) => {
        const before = await tx.get('job', jobId);
        if (before === undefined) return undefined;
        const attempt = currentAttempt(before.status as JobStatusRecord);
        if (attempt === undefined) return undefined;
        grace = graceOf(before);
        return tx.update('job', jobId, {
          expectedVersion: before.version,
          status: withAttempt(before.status as JobStatusRecord, {
            ...attempt,
            stopReason: attempt.stopReason ?? reason,
          }),
        });
      });
      const attempt = row === undefined ? undefined : currentAttempt(row.status as JobStatusRecord);
      if (attempt !== undefined) await stopRanks(jobId, attempt, grace);
    });

  const onReport = (entry: LiveAttempt, report: WorkerReport): void => {
    progress.set(entry.jobId, mergeProgress(progress.get(entry.jobId), report));
    const known = facts.get(entry.attemptId) ?? {};
    if (report.type === 'artifact') {
      const metrics = Object.fromEntries(
        Object.entries(report.metrics).filter(
          (pair): pair is [string, number] => typeof pair[1] === 'number',
        ),
      );
      facts.set(entry.attemptId, {
        ...known,
        artifact: { path: report.path, formats: report.formats, metrics, lineage: report.lineage },
      });
    }
    if (report.type === 'fault') {
      facts.set(entry.attemptId, {
        ...known,
        fault: {
          message: `${report.code}: ${report.message}`,
          ...(report.hint === undefined ? {} : { hint: report.hint }),
        },
      });
    }
    hub.changed(`job:${entry.jobId}`);
  };

  const onStarted = async (entry: LiveAttempt, rank: number): Promise<void> => {
    entry.started.add(rank);
    if (entry.started.size < entry.ranks || entry.isStopping) return;
    const now = isoNow(deps.clock);
    await move(entry.jobId, (row, status) => {
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
    });
    changed(entry.jobId);
  };

  const onExit = async (entry: LiveAttempt, rank: number, exit: RankExit): Promise<void> => {
    if (entry.exits.has(rank)) return;
    entry.exits.set(rank, exit);
    if (exit.exitClass !== 'done' && entry.exits.size < entry.ranks && !entry.isStopping) {
      const row = await deps.store.read({ platform: true }, (tx) => tx.get('job', entry.jobId));
      const attempt = row === undefined ? undefined : currentAttempt(row.status as JobStatusRecord);
      if (attempt !== undefined) await stopRanks(entry.jobId, attempt, 2_000);
    }
    await finishIfEnded(entry.attemptId);
  };

  const finishIfEnded = async (attemptId: string): Promise<void> => {
    const entry = live.get(attemptId);
    if (entry === undefined || entry.exits.size < entry.ranks) return;
    const now = isoNow(deps.clock);
    const found = facts.get(attemptId);
    const exits = [...entry.exits.values()];
    const artifact = found?.artifact;
    await move(
      entry.jobId,
      (row, before) => {
        const attempt = currentAttempt(before);
        if (attempt?.id !== attemptId) return undefined;
        const { job } = row.spec as JobSpecRecord;
        // The transition table has no way from `starting` to `cancelled`: such a job passed `stopping` already.
        const exitClass = classifyAttempt(
          exits.map((exit) => exit.exitClass),
          row.state === 'stopping' ? (attempt.stopReason ?? 'cancelled') : attempt.stopReason,
        );
        const after = afterExit(job, before, exitClass);
        const worst = exits.find((exit) => exit.exitClass === exitClass);
        const message = found?.fault?.message ?? worst?.message;
        const hint = found?.fault?.hint ?? after.hint;
        const ended: AttemptRecord = {
          ...attempt,
          state: 'ended',
          endedAt: now,
          exitClass,
          ...(message === undefined ? {} : { exitMessage: message }),
        };
        const isOver = after.state !== 'queued';
        const { waiting: _waiting, ...kept } = withAttempt(before, ended);
        const last = progress.get(entry.jobId);
        return {
          to: after.state,
          status: {
            ...kept,
            userRetriesUsed: after.userRetriesUsed,
            platformRestarts: after.platformRestarts,
            ...(last === undefined ? {} : { progress: last }),
            ...(artifact === undefined ? {} : { artifact }),
            ...(isOver ? { endedAt: now, exitClass } : {}),
            ...(isOver && message !== undefined && exitClass !== 'done' ? { exitMessage: message } : {}),
            ...(isOver && hint !== undefined ? { hint } : {}),
            ...(exitClass === 'done' ? {} : { stderrTail: worst?.stderrTail.slice(-20) ?? [] }),
          },
          reason: { exitClass, ...(message === undefined ? {} : { message }) },
        };
      },
      async (tx, row, status) => {
        const ended = status.attempts.at(-1);
        const seconds = ended === undefined ? 0 : await recordAttemptUsage(tx, row, ended);
        let next: JobStatusRecord = { ...status, deviceSeconds: (status.deviceSeconds ?? 0) + seconds };
        const { job } = row.spec as JobSpecRecord;
        if (ended?.exitClass === 'done' && job.register !== undefined && artifact !== undefined) {
          next = {
            ...next,
            modelVersion: await registerArtifact(deps, tx, row, job.register, artifact, ended),
          };
        }
        return next;
      },
    );
    live.delete(attemptId);
    facts.delete(attemptId);
    const row = await deps.store.read({ platform: true }, (tx) => tx.get('job', entry.jobId));
    if (row === undefined || ['succeeded', 'failed', 'cancelled'].includes(row.state))
      progress.delete(entry.jobId);
    changed(entry.jobId);
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
          return onExit(entry, parsed.rank, {
            exitClass: event.exit.exitClass,
            message: event.exit.message,
            stderrTail: event.exit.stderrTail,
          });
        case 'lost':
          return onExit(entry, parsed.rank, {
            exitClass: 'infrastructure',
            message: event.message,
            stderrTail: [],
          });
      }
    });
    return true;
  };

  return {
    ensureStarted,
    stop,
    onWorkerEvent,
    progressOf: (jobId) => progress.get(jobId),
    idle: () => mutex.idle(),
  };
}

const graceOf = (row: Row): number => (row.spec as JobSpecRecord).job.graceSeconds * 1_000;
