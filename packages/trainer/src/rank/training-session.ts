/**
 * Everything a rank holds while it trains, from the job's spec to bound executors. Rank 0 prepares the data
 * and chooses the checkpoint; the others wait for its word and read the same files.
 */
import { join } from 'node:path';
import {
  modelRequest,
  eachInitialParameter,
  transformerShape,
  parameterLayout,
  ShapeError,
  type ParameterLayout,
  type TransformerConfig,
} from '@gantry/training/model';
import { checkParallelSizes, gridAt } from '@gantry/training/parallel';
import { createBatchOrder, rankPart } from '@gantry/training/sampler';
import { openBatchFeed, type BatchFeed, type PreparedDataset } from '../data/index.ts';
import type { BackgroundGroup, World } from '../group/index.ts';
import { hasWholeModel, type ModelShard, openUpdateRule, type UpdateRule } from '../parallel/index.ts';
import type { Timeline } from '../profile/index.ts';
import type { GradientSource } from './gradient-source.ts';
import type { Masking } from './masking.ts';
import type { MicroBatches } from './micro-batches.ts';
import { openBackground } from './open-background.ts';
import { openShard } from './open-shard.ts';
import type { RankEnvironment } from './rank-environment.ts';
import { shareCheckpoint, type CheckpointSearch, type StartingPoint } from './share-checkpoint.ts';
import { openStagedGradients } from './staged-gradients.ts';
import { samplerOf, streamWindowOf, type TrainingOrder } from './training-data.ts';
import { isMasked, openTrainingDataset } from './training-dataset.ts';
import type { TrainingJob } from './training-job.ts';
import { planTraining, type TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';
import { warmStart, type WarmStart } from './warm-start.ts';
import { openWholeModelGradients } from './whole-model-gradients.ts';

export interface TrainingSession extends StartingPoint {
  readonly environment: RankEnvironment;
  readonly job: TrainingJob;
  readonly plan: TrainingPlan;
  /** What it began with of another run; undefined also when it was resumed. */
  readonly warm: WarmStart | undefined;
  readonly config: TransformerConfig;
  readonly layout: ParameterLayout;
  readonly dataset: PreparedDataset;
  readonly sampler: TrainingOrder;
  readonly feed: BatchFeed;
  readonly masking: Masking | undefined;
  readonly shard: ModelShard;
  /** Collectives that run beside the computing. */
  readonly background: BackgroundGroup | undefined;
  readonly gradients: GradientSource;
  readonly rule: UpdateRule;
  readonly timeline: Timeline;
}

export const checkpointDirectory = (runDirectory: string): string => join(runDirectory, 'checkpoints');

export async function openTrainingSession(
  environment: RankEnvironment,
  job: TrainingJob,
  world: World,
  signal?: AbortSignal,
): Promise<TrainingSession> {
  const dataset = await openTrainingDataset(environment, job, world, signal);
  const config = toConfig(job, dataset);
  const plan = planTraining(job, config.width, environment.worldSize);
  checkLayout(plan, config, environment.worldSize);
  const layout = parameterLayout(config);
  const grid = gridAt(plan.sizes, environment.rank);
  const shard = await openShard({
    config,
    plan,
    layout,
    grid,
    world,
    runDirectory: environment.runDirectory,
  });
  const start = await shareCheckpoint(checkpointSearch({ environment, plan, config, dataset, shard }, world));
  let warm: WarmStart | undefined;
  if (start.resumed === undefined) {
    initialise(shard, layout, plan.seed);
    const from = job.train.warmStart;
    if (from !== undefined) warm = await warmStart(from, job.workdir ?? process.cwd(), shard);
  }
  const { shards } = dataset.train;
  const windowShards = streamWindowOf(job.train.data);
  const sampler = samplerOf(dataset, plan.time, plan.seed, windowShards);
  const { globalSequences, microSequences, microBatches } = plan;
  const share = { globalSequences, microSequences, microBatches, dataIndex: grid.dataIndex };
  const feed = openBatchFeed({
    shards,
    order: createBatchOrder({ ...share, sampler, dataRanks: grid.data }),
    time: plan.time,
    microSequences,
    isArriving: windowShards !== undefined,
    ...plan.loader,
  });
  const first = rankPart(globalSequences, grid.dataIndex, grid.data).from;
  const masking = maskingOf(job, dataset);
  const batches: MicroBatches = {
    timeline: world.timeline,
    plan,
    feed,
    masking,
    placeOf: (position, index) => position + first + index * microSequences,
  };
  const isWhole = hasWholeModel(shard) && plan.zero < 2 && plan.recompute === 'none' && !plan.overlap;
  const background = isWhole ? undefined : await openBackground(environment, plan, shard);
  const gradients = isWhole
    ? await openWholeModelGradients(batches, config, shard)
    : await openStagedGradients(batches, config, shard, background);
  const rule = openUpdateRule(shard, plan.optimizer);
  return {
    ...start,
    warm,
    environment,
    job,
    plan,
    config,
    layout,
    dataset,
    sampler,
    feed,
    masking,
    shard,
    background,
    gradients,
    rule,
    timeline: world.timeline,
  };
}

export function checkpointSearch(
  {
    environment,
    plan,
    config,
    dataset,
    shard,
  }: Pick<TrainingSession, 'environment' | 'plan' | 'config' | 'dataset' | 'shard'>,
  world: World,
): CheckpointSearch {
  return {
    world,
    directory: checkpointDirectory(environment.runDirectory),
    resumeFrom: environment.resumeFrom,
    config,
    dataDigest: dataset.manifestDigest,
    optimizer: plan.optimizer.name,
    shard,
  };
}

/** Every rank draws the same numbers and keeps what is its own. */
function initialise(shard: ModelShard, whole: ParameterLayout, seed: number): void {
  const own = new Map(shard.layout.parameters.map((parameter) => [parameter.name, parameter]));
  eachInitialParameter(whole, seed, ({ name }, values) => {
    const parameter = own.get(name);
    if (parameter !== undefined) shard.takeWhole(parameter, values);
  });
}

function checkLayout(plan: TrainingPlan, config: TransformerConfig, worldSize: number): void {
  try {
    checkParallelSizes(plan.sizes, config, worldSize);
  } catch (error) {
    throw error instanceof ShapeError ? new UserFault('bad_layout', error.message, error.hint) : error;
  }
}

function toConfig(job: TrainingJob, dataset: PreparedDataset): TransformerConfig {
  try {
    return transformerShape({
      ...modelRequest(job.train),
      vocabularySize: dataset.vocabularySize + (isMasked(job) ? 1 : 0),
      eosId: dataset.eosId,
    });
  } catch (error) {
    throw error instanceof ShapeError ? new UserFault('bad_shape', error.message, error.hint) : error;
  }
}

/** The mask follows the last token of the text. */
function maskingOf(job: TrainingJob, dataset: PreparedDataset): Masking | undefined {
  return isMasked(job) ? { seed: job.train.seed, maskId: dataset.vocabularySize } : undefined;
}
