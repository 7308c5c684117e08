/**
 * One training rank from its environment to its exit code: 0 done, 64 the user's to fix (told as a `fault`),
 * 70 a bug, 75 a peer or the machine failed (repeat for free), 143 stopped after a checkpoint.
 */
import { joinWorld, RankLostError, startHeartbeat, type ThreadMeeting, type World } from '../group/index.ts';
import { DataError } from '../data/index.ts';
import { trainClassifier } from '../classifier/index.ts';
import { gatherParameters } from '../parallel/index.ts';
import { openCheckpointer } from './open-checkpointer.ts';
import { prepareData } from './prepare-data.ts';
import { readRankEnvironment, type RankEnvironment } from './rank-environment.ts';
import { RankZero } from './rank-zero.ts';
import { withDeepSpeed } from './deepspeed.ts';
import { createReportWriter, type ReportWriter } from './report-writer.ts';
import { reportProfile } from './report-profile.ts';
import { ShardStream } from './shard-stream.ts';
import { streamWindowOf } from './training-data.ts';
import { StepProfile } from './step-profile.ts';
import { trainLoop, type StepOutcome, type TrainLoop } from './train-loop.ts';
import { readTrainingJob } from './training-job.ts';
import { shareCheckpoint } from './share-checkpoint.ts';
import {
  checkpointDirectory,
  checkpointSearch,
  openTrainingSession,
  type TrainingSession,
} from './training-session.ts';
import { withDiskFullFault } from './disk-full-fault.ts';
import { toUserFault, UserFault } from './user-fault.ts';

export interface TrainingRankOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM: the group finishes its step, writes a checkpoint and leaves with 143. */
  readonly signal?: AbortSignal;
  /** In a process of its own: ranks that stand still are found by those after them. */
  readonly hasHeartbeat?: boolean;
  /** Where ranks that are threads of one process meet. */
  readonly meeting?: ThreadMeeting;
  /** For tests of bad days: a disk that is full, gradients that are wrong. */
  readonly beforeWrite?: (directory: string) => Promise<void>;
  /** For tests: a disk no faster than this for each thread that writes. */
  readonly sinkBytesPerSecond?: number;
  readonly onGradients?: (step: number, gradients: Float32Array, rank: number) => void;
  /** Called on every rank after each update. */
  readonly onStep?: (outcome: StepOutcome, rank: number) => void;
}

/** Rank 0 may validate and export for a while; a rank that dies closes its links at once. */
const silenceMs = 10 * 60 * 1000;

export const exitCodes = { done: 0, user: 64, internal: 70, infrastructure: 75, stopped: 143 } as const;

export async function runTrainingRank(options: TrainingRankOptions): Promise<number> {
  let reports: ReportWriter = createReportWriter(options.env['GANTRY_REPORT_FILE']);
  try {
    const environment = readRankEnvironment(options.env, options.meeting);
    if (environment.rank > 0) reports = createReportWriter(undefined);
    await using world = await joinWorld({
      rank: environment.rank,
      worldSize: environment.worldSize,
      timeoutMs: silenceMs,
      transport: environment.rendezvous,
    });
    const { rendezvous } = environment;
    const isWatched = options.hasHeartbeat === true && environment.worldSize > 1;
    await using _heartbeat =
      isWatched && rendezvous.kind !== 'threads' ? await startHeartbeat(world, rendezvous) : undefined;
    try {
      return await train(environment, world, reports, options);
    } catch (caught) {
      const error = withDiskFullFault(caught, environment.runDirectory);
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
  const job = await withDeepSpeed(await readTrainingJob(environment.specFile), environment.worldSize);
  if (job.train.recipe === 'prepare') {
    await prepareData({ environment, job, reports, signal: options.signal });
    return exitCodes.done;
  }
  if (job.train.recipe === 'classifier')
    return trainClassifier({ environment, job, world, reports, options });
  const session = await openTrainingSession(environment, job, world, options.signal);
  const { plan, shard, config, dataset } = session;
  const directory = checkpointDirectory(environment.runDirectory);
  await using _feed = session.feed;
  await using _offloaded = shard.offloaded;
  await using gradients = session.gradients;
  await using rule = session.rule;
  using stream = await openStream(session, reports, options.signal);
  await using zero = environment.rank === 0 ? await RankZero.open(session, reports) : undefined;
  await using checkpointer = openCheckpointer({ directory, shard, plan, options });
  const profile = new StepProfile(world.timeline, plan.profile, environment.runDirectory, environment.rank);
  await profile.after(startOf(session).step);
  const gather = (): Promise<void> => gatherParameters(world, shard, config, zero?.parameters);
  const { step, isStopped } = await trainLoop({
    plan,
    shard,
    world,
    gradients,
    rule,
    checkpointer,
    start: startOf(session),
    stateOf: (done) => ({
      ...done,
      seed: plan.seed,
      shape: { ...config },
      dataDigest: dataset.manifestDigest,
      optimizer: plan.optimizer.name,
    }),
    wantsCheckpoint: (done) => zero?.wantsCheckpoint(done) ?? false,
    rollBack: async () => {
      const { resumed } = await shareCheckpoint(checkpointSearch(session, world));
      return resumed?.step;
    },
    onOverflow: async (done, scale) => zero?.reportOverflow(done, scale),
    onBadBatch: async (bad) => zero?.reportBadBatch(bad),
    onSaved: async (outcome) => zero?.reportSave(outcome),
    afterStep: async (done) => {
      options.onStep?.(done, environment.rank);
      await profile.after(done.step);
      await stream?.at(done.position);
      await zero?.afterStep(done);
      if (done.step % plan.sampleEvery !== 0 && done.step !== plan.steps) return false;
      await gather();
      const isEnough = await zero?.look(done.step);
      if (plan.earlyStopping === undefined) return false;
      const told = Float32Array.of(isEnough === true ? 1 : 0);
      await world.broadcast(told, 0);
      return told[0] === 1;
    },
    onGradients: (done, values) => options.onGradients?.(done, values, environment.rank),
    signal: options.signal,
  });
  // Every rank has written its trace.
  if (plan.profile !== undefined) await world.barrier(finishTimeoutMs);
  if (!isStopped) {
    await gather();
    await zero?.finish(step);
  }
  if (zero !== undefined) await reportProfile(session, reports, step);
  // The others stay until rank 0 has written: one of them leaving early must not look like an end.
  await world.barrier(finishTimeoutMs);
  return isStopped ? exitCodes.stopped : exitCodes.done;
}

/** Rank 0 asks for all; undefined where the data lies there. */
async function openStream(
  session: TrainingSession,
  reports: ReportWriter,
  signal: AbortSignal | undefined,
): Promise<ShardStream | undefined> {
  const { dataset, environment, job, sampler: order } = session;
  const windowShards = streamWindowOf(job.train.data);
  if (windowShards === undefined || environment.rank > 0) return undefined;
  const stream = new ShardStream({ dataset, order, reports, windowShards });
  await stream.open(startOf(session).position, signal).catch(toUserFault);
  return stream;
}

function startOf({ resumed }: TrainingSession): TrainLoop['start'] {
  return {
    step: resumed?.step ?? 0,
    position: resumed?.manifest.position ?? 0,
    lossScale: resumed?.manifest.lossScale,
    adaptation: resumed?.manifest.adaptation,
  };
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
  if (error instanceof DataError) {
    await reports.write({ type: 'fault', code: error.code, message: error.message, hint: error.hint });
    process.stderr.write(`${error.message}\n${error.hint}\n`);
    return exitCodes.infrastructure;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.internal;
}
