/**
 * Everything a rank holds while it trains, from the job's spec to bound executors. Rank 0 prepares the data
 * and chooses the checkpoint; the others wait for its word and read the same files.
 */
import { dirname, join, resolve } from 'node:path';
import type { LlamaConfig } from '@gantry/formats';
import {
  initialiseParameters,
  llamaShape,
  parameterLayout,
  ShapeError,
  type ParameterLayout,
} from '@gantry/training/model';
import { createSequenceSampler, type SequenceSampler } from '@gantry/training/sampler';
import {
  readCheckpoint,
  readNewest,
  type DamagedCheckpoint,
  type FoundCheckpoint,
  type TrainingBuffers,
} from '../checkpoint/index.ts';
import { DataError, openDataset, prepareDataset, type PreparedDataset } from '../data/index.ts';
import { createLlamaExecutor, type LlamaExecutor } from '../executor/index.ts';
import type { ProcessGroup } from '../group/index.ts';
import type { RankEnvironment } from './rank-environment.ts';
import { openTokenSource, type TokenSource } from './token-source.ts';
import { sharedExtras } from './train-loop.ts';
import type { TrainingJob } from './training-job.ts';
import { planTraining, type TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingSession {
  readonly environment: RankEnvironment;
  readonly job: TrainingJob;
  readonly plan: TrainingPlan;
  readonly config: LlamaConfig;
  readonly layout: ParameterLayout;
  readonly dataset: PreparedDataset;
  readonly source: TokenSource;
  readonly sampler: SequenceSampler;
  readonly buffers: TrainingBuffers;
  readonly shared: Float32Array;
  readonly scratch: Float32Array;
  readonly executor: LlamaExecutor;
  readonly resumed: FoundCheckpoint | undefined;
  readonly damaged: readonly DamagedCheckpoint[];
}

/** Reading and tokenising all the text may take rank 0 this long. */
const preparationTimeoutMs = 60 * 60 * 1000;

export const checkpointDirectory = (runDirectory: string): string => join(runDirectory, 'checkpoints');

export async function openTrainingSession(
  environment: RankEnvironment,
  job: TrainingJob,
  group: ProcessGroup,
  signal?: AbortSignal,
): Promise<TrainingSession> {
  const dataset = await shareDataset(environment, job, group, signal);
  const config = toConfig(job, dataset);
  const plan = planTraining(job, config.width, environment.worldSize);
  const layout = parameterLayout(config);
  const source = await openTokenSource(dataset.train.shards, plan.time);
  const buffers: TrainingBuffers = {
    parameters: new Float32Array(layout.length),
    first: new Float32Array(layout.length),
    second: new Float32Array(layout.length),
  };
  const { resumed, damaged } = await shareCheckpoint(environment, group, buffers);
  if (resumed === undefined) initialiseParameters(layout, plan.seed, buffers.parameters);
  else checkResumes(resumed, config, dataset);

  const shared = new Float32Array(layout.length + sharedExtras);
  const total = shared.subarray(0, layout.length);
  const isOneRun = plan.microSequences >= Math.ceil(plan.globalSequences / environment.worldSize);
  const scratch = isOneRun ? total : new Float32Array(layout.length);
  const executor = await createLlamaExecutor({
    config,
    sequences: plan.microSequences,
    time: plan.time,
    kind: 'gradients',
    parameters: buffers.parameters,
    gradients: scratch,
  });
  const sampler = createSequenceSampler(source.sequences, plan.seed);
  return {
    environment,
    job,
    plan,
    config,
    layout,
    dataset,
    source,
    sampler,
    buffers,
    shared,
    scratch,
    executor,
    resumed,
    damaged,
  };
}

async function shareDataset(
  environment: RankEnvironment,
  job: TrainingJob,
  group: ProcessGroup,
  signal?: AbortSignal,
): Promise<PreparedDataset> {
  const directory = join(environment.runDirectory, 'data');
  const { train } = job;
  if (environment.rank === 0) {
    try {
      if ((await openDataset(directory)) === undefined) {
        await prepareDataset({
          patterns: train.data,
          cwd: job.workdir ?? process.cwd(),
          outDir: directory,
          vocabularySize: train.vocabularySize,
          sequenceLength: train.sequenceLength,
          validationFraction: train.validationFraction,
          seed: train.seed,
          ...(signal === undefined ? {} : { signal }),
        });
      }
    } catch (error) {
      throw error instanceof DataError ? new UserFault(error.code, error.message, error.hint) : error;
    }
  }
  await group.barrier(preparationTimeoutMs);
  const dataset = await openDataset(directory);
  if (dataset === undefined) {
    throw new UserFault(
      'data_missing',
      `Rank ${environment.rank} does not see the prepared data in ${directory}.`,
      'All ranks need the same run directory.',
    );
  }
  return dataset;
}

function toConfig(job: TrainingJob, dataset: PreparedDataset): LlamaConfig {
  const { train } = job;
  try {
    return llamaShape({
      depth: train.depth,
      vocabularySize: dataset.vocabularySize,
      sequenceLength: train.sequenceLength,
      width: train.width,
      heads: train.heads,
      kvHeads: train.kvHeads,
      hidden: train.hidden,
      eosId: dataset.eosId,
    });
  } catch (error) {
    throw error instanceof ShapeError ? new UserFault('bad_shape', error.message, error.hint) : error;
  }
}

/** Rank 0 finds the newest whole checkpoint; a sum of one number tells the others which. */
async function shareCheckpoint(
  environment: RankEnvironment,
  group: ProcessGroup,
  buffers: TrainingBuffers,
): Promise<{ resumed: FoundCheckpoint | undefined; damaged: readonly DamagedCheckpoint[] }> {
  const directory = checkpointDirectory(environment.runDirectory);
  if (environment.rank === 0) {
    const { found, damaged } = await readNewest(directory, buffers);
    await group.allReduceSum(toDigits(found === undefined ? 0 : found.step + 1));
    return { resumed: found ?? (await readNamed(environment, buffers)), damaged };
  }
  const digits = toDigits(0);
  await group.allReduceSum(digits);
  const step = fromDigits(digits) - 1;
  if (step < 0) return { resumed: await readNamed(environment, buffers), damaged: [] };
  const path = join(directory, `step-${String(step).padStart(8, '0')}`);
  return { resumed: await readCheckpoint(path, buffers), damaged: [] };
}

/** A run without a checkpoint of its own may begin from one that GANTRY_RESUME_FROM names elsewhere. */
async function readNamed(
  { resumeFrom, runDirectory }: RankEnvironment,
  buffers: TrainingBuffers,
): Promise<FoundCheckpoint | undefined> {
  if (resumeFrom === undefined || resumeFrom === '') return undefined;
  if (dirname(resolve(resumeFrom)) === resolve(checkpointDirectory(runDirectory))) return undefined;
  return readCheckpoint(resumeFrom, buffers).catch((error: unknown) => {
    throw new UserFault(
      'checkpoint_damaged',
      `The checkpoint ${resumeFrom} cannot be used: ${error instanceof Error ? error.message : String(error)}.`,
      'Name another checkpoint, or none.',
    );
  });
}

/** A float32 is exact up to 2^24: whole numbers travel in two halves. */
const half = 2 ** 20;
const toDigits = (value: number): Float32Array => Float32Array.of(Math.floor(value / half), value % half);
const fromDigits = ([high, low]: Float32Array): number => (high ?? 0) * half + (low ?? 0);

function checkResumes(resumed: FoundCheckpoint, config: LlamaConfig, dataset: PreparedDataset): void {
  const { manifest } = resumed;
  if (JSON.stringify(manifest.shape) !== JSON.stringify(config)) {
    throw new UserFault(
      'checkpoint_mismatch',
      `The checkpoint at step ${resumed.step} belongs to a model of another shape.`,
      'Start a new job for a new shape.',
    );
  }
  if (manifest.dataDigest !== dataset.manifestDigest) {
    throw new UserFault(
      'checkpoint_mismatch',
      `The checkpoint at step ${resumed.step} was trained on other data or with another tokenizer.`,
      'Start a new job for new data.',
    );
  }
}
