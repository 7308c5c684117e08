/**
 * One training rank from its environment to its exit code: 0 done, 64 the user's to fix (told as a `fault`),
 * 70 a bug, 75 a peer or the machine failed (repeat for free), 143 stopped after a checkpoint.
 */
import { Checkpointer } from '../checkpoint/index.ts';
import { joinWorld, RankLostError, type World } from '../group/index.ts';
import { gatherParameters } from '../parallel/index.ts';
import { readRankEnvironment, type RankEnvironment } from './rank-environment.ts';
import { RankZero } from './rank-zero.ts';
import { createReportWriter, type ReportWriter } from './report-writer.ts';
import { trainLoop, type StepOutcome } from './train-loop.ts';
import { readTrainingJob } from './training-job.ts';
import { checkpointDirectory, openTrainingSession, type TrainingSession } from './training-session.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingRankOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM: the group finishes its step, writes a checkpoint and leaves with 143. */
  readonly signal?: AbortSignal;
  /** For tests of bad days: a disk that is full, gradients that are wrong. */
  readonly beforeWrite?: (directory: string) => Promise<void>;
  readonly onGradients?: (step: number, gradients: Float32Array) => void;
  /** Called on every rank after each update. */
  readonly onStep?: (outcome: StepOutcome, rank: number) => void;
}

/** Rank 0 may validate and export for a while; a rank that dies closes its links at once. */
const silenceMs = 10 * 60 * 1000;

export const exitCodes = { done: 0, user: 64, internal: 70, infrastructure: 75, stopped: 143 } as const;

export async function runTrainingRank(options: TrainingRankOptions): Promise<number> {
  let reports: ReportWriter = createReportWriter(options.env['GANTRY_REPORT_FILE']);
  try {
    const environment = readRankEnvironment(options.env);
    if (environment.rank > 0) reports = createReportWriter(undefined);
    await using world = await joinWorld({
      rank: environment.rank,
      worldSize: environment.worldSize,
      timeoutMs: silenceMs,
      transport: { kind: 'unix', directory: environment.rendezvousDirectory },
    });
    try {
      return await train(environment, world, reports, options);
    } catch (error) {
      if (error instanceof UserFault) await world.abort(exitCodes.user, error.message);
      else if (!(error instanceof RankLostError))
        await world.abort(exitCodes.infrastructure, `Rank ${environment.rank} failed.`);
      throw error;
    }
  } catch (error) {
    return explain(error, reports);
  }
}

async function train(
  environment: RankEnvironment,
  world: World,
  reports: ReportWriter,
  options: TrainingRankOptions,
): Promise<number> {
  const job = await readTrainingJob(environment.specFile);
  const session = await openTrainingSession(environment, job, world, options.signal);
  const { plan, shard, config, dataset } = session;
  const directory = checkpointDirectory(environment.runDirectory);
  await using gradients = session.gradients;
  await using zero = environment.rank === 0 ? await RankZero.open(session, reports) : undefined;
  await using checkpointer = new Checkpointer({
    directory,
    shard,
    keep: plan.checkpoint.keep,
    keepBest: plan.checkpoint.keepBest,
    ...(options.beforeWrite === undefined ? {} : { beforeWrite: options.beforeWrite }),
  });
  const gather = (): Promise<void> => gatherParameters(world, shard, config, zero?.parameters);
  const { step, isStopped } = await trainLoop({
    plan,
    shard,
    world,
    gradients,
    checkpointer,
    start: startOf(session),
    stateOf: (done, position, loss) => ({
      step: done,
      position,
      seed: plan.seed,
      shape: { ...config },
      dataDigest: dataset.manifestDigest,
      loss,
    }),
    wantsCheckpoint: (done) => zero?.wantsCheckpoint(done) ?? false,
    onSaved: async (outcome) => zero?.reportSave(outcome),
    afterStep: async (done) => {
      options.onStep?.(done, environment.rank);
      await zero?.afterStep(done);
      if (done.step % plan.sampleEvery !== 0 && done.step !== plan.steps) return;
      await gather();
      await zero?.look(done.step);
    },
    onGradients: options.onGradients,
    signal: options.signal,
  });
  if (!isStopped) {
    await gather();
    await zero?.finish(step);
  }
  // The others stay until rank 0 has written: one of them leaving early must not look like an end.
  await world.barrier(finishTimeoutMs);
  return isStopped ? exitCodes.stopped : exitCodes.done;
}

function startOf({ resumed }: TrainingSession): { step: number; position: number } {
  return { step: resumed?.step ?? 0, position: resumed?.manifest.position ?? 0 };
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
