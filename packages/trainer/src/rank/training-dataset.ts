/**
 * The tokens a job learns from: prepared by rank 0 in the run's directory while the others wait, or by a job before
 * it in a folder of its own. A later attempt finds what there is and prepares nothing.
 */
import { join, resolve } from 'node:path';
import { learnsMasked } from '@gantry/training/model';
import { openDataset, prepareDataset, type PreparedDataset } from '../data/index.ts';
import type { World } from '../group/index.ts';
import type { RankEnvironment } from './rank-environment.ts';
import { cleaningOf, preparedFolderOf, sourcesOf, streamWindowOf } from './training-data.ts';
import type { TrainingJob } from './training-job.ts';
import { toUserFault, UserFault } from './user-fault.ts';

/** Reading and tokenising all the text may take rank 0 this long. */
const preparationTimeoutMs = 60 * 60 * 1000;

type Phase = 'inspect' | 'learn' | 'encode' | 'write';

/** Where the paths of a job file begin. */
export const inWorkdir = (job: TrainingJob, path: string): string =>
  resolve(job.workdir ?? process.cwd(), path);

export const isMasked = ({ train }: TrainingJob): boolean => learnsMasked(train);

export async function openTrainingDataset(
  environment: RankEnvironment,
  job: TrainingJob,
  world: World,
  signal?: AbortSignal,
): Promise<PreparedDataset> {
  const folder = preparedFolderOf(job.train.data);
  if (folder !== undefined) return openPrepared(job, folder);
  const directory = join(environment.runDirectory, 'data');
  if (environment.rank === 0 && (await open(directory)) === undefined)
    await prepareFor(job, directory, signal === undefined ? {} : { signal });
  await world.barrier(preparationTimeoutMs);
  const dataset = await open(directory);
  if (dataset !== undefined) return dataset;
  throw new UserFault(
    'data_missing',
    `Rank ${environment.rank} does not see the prepared data in ${directory}.`,
    'All ranks need the same run directory.',
  );
}

/** What the job's file says of its text, as shards in `directory`. */
export function prepareFor(
  job: TrainingJob,
  directory: string,
  { signal, onPhase }: { readonly signal?: AbortSignal; readonly onPhase?: (phase: Phase) => void },
): Promise<PreparedDataset> {
  const { train } = job;
  return prepareDataset({
    sources: sourcesOf(train.data),
    cleaning: cleaningOf(train.clean),
    cwd: job.workdir ?? process.cwd(),
    outDir: directory,
    // The mask is a token beside those of the text.
    vocabularySize: train.vocabularySize - (isMasked(job) ? 1 : 0),
    sequenceLength: train.sequenceLength,
    packing: train.packing,
    shardTokens: train.shardTokens,
    validationFraction: train.validationFraction,
    seed: train.seed,
    ...(signal === undefined ? {} : { signal }),
    ...(onPhase === undefined ? {} : { onPhase }),
  }).catch(toUserFault);
}

async function openPrepared(job: TrainingJob, folder: string): Promise<PreparedDataset> {
  const dataset = await open(inWorkdir(job, folder));
  const { sequenceLength } = job.train;
  if (dataset === undefined)
    throw new UserFault(
      'data_missing',
      `There is no prepared data in ${folder}.`,
      'Fill it with a job of the recipe `prepare`, and wait until that has ended; a folder without manifest.json holds none.',
    );
  if (dataset.packing !== undefined && dataset.sequenceLength !== sequenceLength)
    throw new UserFault(
      'bad_spec',
      `The data in ${folder} is packed into sequences of ${dataset.sequenceLength} tokens, and the job reads ${sequenceLength}.`,
      `Set train.sequenceLength to ${dataset.sequenceLength}, or prepare the data anew.`,
    );
  const window = streamWindowOf(job.train.data);
  // Other windows are another order, which a checkpoint must not be continued in.
  if (window !== undefined)
    return { ...dataset, manifestDigest: `${dataset.manifestDigest}/${window} shards at a time` };
  return dataset;
}

const open = (directory: string): Promise<PreparedDataset | undefined> =>
  openDataset(directory).catch(toUserFault);
