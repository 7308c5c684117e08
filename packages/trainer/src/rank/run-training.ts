/** The process that the platform starts for a training job: one rank, or all of them as threads. */
import { readTrainingJob } from './training-job.ts';
import { runThreadRanks } from './run-thread-ranks.ts';
import { runTrainingRank, type TrainingRankOptions } from './run-training-rank.ts';

export async function runTraining(options: TrainingRankOptions): Promise<number> {
  const threads = await threadsOf(options.env['GANTRY_SPEC_FILE']);
  return threads === undefined ? runTrainingRank(options) : runThreadRanks(options, threads);
}

/** Undefined: a process is a rank. What is wrong with the job the rank itself says. */
async function threadsOf(specFile: string | undefined): Promise<number | undefined> {
  const job = specFile === undefined ? undefined : await readTrainingJob(specFile).catch(() => undefined);
  if (job?.parallel?.ranksAs !== 'threads') return undefined;
  const { data, tensor, pipeline } = job.parallel;
  return data * tensor * pipeline;
}
