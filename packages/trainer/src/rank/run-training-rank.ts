/**
 * One training rank from its environment to its exit code: 0 done, 64 the user's to fix (told as a `fault`),
 * 70 a bug, 75 a peer or the machine failed (repeat for free), 143 stopped after a checkpoint.
 */
import type { WriteDurably } from '../checkpoint/index.ts';
import { joinWorld, RankLostError, type World } from '../group/index.ts';
import { runGradientBatch } from './gradient-batch.ts';
import { readRankEnvironment, type RankEnvironment } from './rank-environment.ts';
import { RankZero } from './rank-zero.ts';
import { createReportWriter, type ReportWriter } from './report-writer.ts';
import { trainLoop } from './train-loop.ts';
import { readTrainingJob } from './training-job.ts';
import { openTrainingSession } from './training-session.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingRankOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM: the group finishes its step, writes a checkpoint and leaves with 143. */
  readonly signal?: AbortSignal;
  /** For tests of bad days: a disk that is full, gradients that are wrong. */
  readonly write?: WriteDurably;
  readonly onGradients?: (step: number, gradients: Float32Array) => void;
}

export const exitCodes = { done: 0, user: 64, internal: 70, infrastructure: 75, stopped: 143 } as const;

export async function runTrainingRank(options: TrainingRankOptions): Promise<number> {
  let reports: ReportWriter = createReportWriter(options.env['GANTRY_REPORT_FILE']);
  try {
    const environment = readRankEnvironment(options.env);
    if (environment.rank > 0) reports = createReportWriter(undefined);
    await using group = await joinWorld({
      rank: environment.rank,
      worldSize: environment.worldSize,
      transport: { kind: 'unix', directory: environment.rendezvousDirectory },
    });
    try {
      return await train(environment, group, reports, options);
    } catch (error) {
      if (error instanceof UserFault) await group.abort(exitCodes.user, error.message);
      else if (!(error instanceof RankLostError))
        await group.abort(exitCodes.infrastructure, `Rank ${environment.rank} failed.`);
      throw error;
    }
  } catch (error) {
    return explain(error, reports);
  }
}

async function train(
  environment: RankEnvironment,
  group: World,
  reports: ReportWriter,
  options: TrainingRankOptions,
): Promise<number> {
  const job = await readTrainingJob(environment.specFile);
  const session = await openTrainingSession(environment, job, group, options.signal);
  await using executor = session.executor;
  await using zero =
    environment.rank === 0 ? await RankZero.open(session, reports, options.write) : undefined;
  const { plan, layout } = session;
  const batch = {
    executor,
    scratch: session.scratch,
    total: session.shared.subarray(0, layout.length),
    source: session.source,
    sampler: session.sampler,
    time: plan.time,
    microSequences: plan.microSequences,
    globalSequences: plan.globalSequences,
    rank: environment.rank,
    worldSize: environment.worldSize,
  };
  const outcome = await trainLoop({
    plan,
    layout,
    buffers: session.buffers,
    shared: session.shared,
    group,
    startStep: session.resumed?.step ?? 0,
    computeGradients: async (step) => {
      const loss = await runGradientBatch(batch, (step - 1) * plan.globalSequences);
      options.onGradients?.(step, batch.total);
      return loss;
    },
    afterStep: async (done) => zero?.afterStep(done),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return await leave(zero, group, outcome);
}

async function leave(
  zero: RankZero | undefined,
  group: World,
  { step, isStopped }: { step: number; isStopped: boolean },
): Promise<number> {
  if (isStopped) await zero?.checkpoint(step);
  else await zero?.finish(step);
  // The others stay until rank 0 has written: one of them leaving early must not look like an end.
  await group.barrier(finishTimeoutMs);
  return isStopped ? exitCodes.stopped : exitCodes.done;
}

const finishTimeoutMs = 30 * 60 * 1000;

async function explain(error: unknown, reports: ReportWriter): Promise<number> {
  if (error instanceof UserFault) {
    await reports.write({ type: 'fault', code: error.code, message: error.message, hint: error.hint });
    process.stderr.write(`${error.message}\n${error.hint}\n`);
    return exitCodes.user;
  }
  if (error instanceof RankLostError) {
    process.stderr.write(`${error.message}\n`);
    if (error.exitCode !== exitCodes.user) {
      await reports.write({
        type: 'fault',
        code: 'rank_lost',
        message: error.message,
        hint: 'The attempt is repeated from the last checkpoint.',
      });
    }
    return error.exitCode;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.internal;
}
