/** `train.deepspeed`: DeepSpeed's own configuration, a file beside the job or its content, laid over the job's sections. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parallelSchema } from '@gantry/contract';
import { parallelSizes, type ZeroLimits } from '@gantry/training/parallel';
import { readDeepSpeed, type DeepSpeedSettings } from '@gantry/training/deepspeed';
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

export async function withDeepSpeed(job: TrainingJob, worldSize: number): Promise<TrainingJob> {
  const { deepspeed } = job.train;
  if (deepspeed === undefined) return job;
  const { settings, notes, problems } = readDeepSpeed(await contentOf(job, deepspeed));
  if (problems.length > 0) {
    throw new UserFault(
      'bad_spec',
      `DeepSpeed's configuration: ${problems.map(({ key, message }) => `${key} ${message}`).join('; ')}.`,
      'Leave these keys out, or give them a value that docs/training.md names.',
    );
  }
  return {
    ...job,
    train: { ...job.train, ...trainOf(job, settings, worldSize) },
    parallel: parallelOf(job, settings),
    limits: limitsOf(settings),
    notes: [...notes, ...overlapNotes(job, settings)],
  };
}

async function contentOf(
  { workdir }: TrainingJob,
  deepspeed: NonNullable<TrainingJob['train']['deepspeed']>,
): Promise<unknown> {
  if (typeof deepspeed !== 'string') return deepspeed;
  const path = resolve(workdir ?? process.cwd(), deepspeed);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserFault(
      'bad_spec',
      `train.deepspeed names ${path}, which ${error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'}.`,
      'Paths are relative to the directory the job was submitted from.',
    );
  }
}

function trainOf(
  job: TrainingJob,
  settings: DeepSpeedSettings,
  worldSize: number,
): Partial<TrainingJob['train']> {
  const { train } = job;
  const sequences = batchOf(settings, parallelSizes(job.parallel, worldSize).data);
  return {
    batchTokens: sequences === undefined ? train.batchTokens : sequences * train.sequenceLength,
    clipNorm: settings.clipNorm ?? train.clipNorm,
    precision: settings.precision ?? train.precision,
    learningRate: settings.learningRate ?? train.learningRate,
    weightDecay: settings.weightDecay ?? train.weightDecay,
    warmupSteps: settings.warmupSteps ?? train.warmupSteps,
    ...(settings.exportsHalf === true
      ? { exportPrecision: (settings.precision ?? train.precision) === 'fp16' ? 'fp16' : 'bf16' }
      : {}),
  };
}

function limitsOf(settings: DeepSpeedSettings): ZeroLimits {
  const { reduceElements, gatherElements, persistentElements } = settings;
  const { prefetchElements, liveElements, reuseElements } = settings;
  return {
    reduceElements,
    gatherElements,
    persistentElements,
    prefetchElements,
    liveElements,
    reuseElements,
  };
}

function overlapNotes(job: TrainingJob, { overlap }: DeepSpeedSettings): string[] {
  if (overlap !== true || !areThreads(job)) return [];
  return [
    'zero_optimization.overlap_comm: ranks that are threads sum what is made before the next layer’s turn',
  ];
}

function areThreads({ parallel }: TrainingJob): boolean {
  return parallel?.ranksAs === 'threads';
}

/** DeepSpeed's rule: the batch is micro-batch × accumulation × data-parallel ranks, of which two may be said. */
function batchOf(
  { batchSequences, microSequences, microBatches }: DeepSpeedSettings,
  dataRanks: number,
): number | undefined {
  if (microSequences === undefined) return batchSequences;
  if (batchSequences === undefined) return microSequences * (microBatches ?? 1) * dataRanks;
  const product =
    microSequences * (microBatches ?? batchSequences / (microSequences * dataRanks)) * dataRanks;
  if (product === batchSequences && Number.isInteger(batchSequences / (microSequences * dataRanks)))
    return batchSequences;
  throw new UserFault(
    'bad_spec',
    `DeepSpeed's train_batch_size is ${batchSequences}, but ${microSequences} a micro-batch${microBatches === undefined ? '' : ` × ${microBatches} of them`} × ${dataRanks} data-parallel ranks do not make it.`,
    `Set train_batch_size to ${microSequences * (microBatches ?? 1) * dataRanks}, or leave one of the three out.`,
  );
}

function parallelOf(job: TrainingJob, settings: DeepSpeedSettings): NonNullable<TrainingJob['parallel']> {
  const parallel = job.parallel ?? parallelSchema.parse({});
  const { tensor = parallel.tensor, batchSequences, microSequences } = settings;
  if (tensor !== parallel.tensor) {
    throw new UserFault(
      'bad_layout',
      `DeepSpeed's autotp_size is ${tensor}, and parallel.tensor of the job is ${parallel.tensor}.`,
      `Set parallel.tensor to ${tensor}: the platform counts the ranks by it.`,
    );
  }
  const microBatches =
    settings.microBatches ??
    (batchSequences !== undefined && microSequences !== undefined
      ? batchSequences / (microSequences * parallel.data)
      : parallel.microBatches);
  return {
    ...parallel,
    zero: settings.zero ?? parallel.zero,
    overlap: (settings.overlap === true && !areThreads(job)) || parallel.overlap,
    microBatches,
    ...(settings.offloadMoments === true
      ? {
          offload: {
            parameters: settings.offloadParameters ?? false,
            directory: settings.offloadDirectory,
            chunkElements: settings.updateElements ?? 4_194_304,
            buffers: settings.offloadBuffers ?? 3,
          },
        }
      : {}),
  };
}
