/** The recipe `prepare`: text becomes tokens in a folder that any number of training jobs name as their data. */
import type { RankEnvironment } from './rank-environment.ts';
import type { ReportWriter } from './report-writer.ts';
import { preparationFacts } from './training-data.ts';
import { inWorkdir, prepareFor } from './training-dataset.ts';
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

export interface DataPreparation {
  readonly environment: RankEnvironment;
  readonly job: TrainingJob;
  readonly reports: ReportWriter;
  readonly signal?: AbortSignal | undefined;
}

const phases = ['inspect', 'learn', 'encode', 'write'] as const;

export async function prepareData({ environment, job, reports, signal }: DataPreparation): Promise<void> {
  const { into, data } = job.train;
  if (into === undefined)
    throw new UserFault(
      'bad_spec',
      'The recipe `prepare` does not know where to leave the data.',
      'Set train.into to a folder; a relative one lies in the working directory, a volume is one too.',
    );
  if (data.some((one) => typeof one !== 'string' && 'prepared' in one))
    throw new UserFault(
      'bad_spec',
      'The data of the recipe `prepare` is prepared already.',
      'Name files in train.data.',
    );
  if (environment.worldSize > 1)
    throw new UserFault('bad_layout', 'Data is prepared by one rank.', 'Set replicas to 1.');
  const told: Promise<void>[] = [];
  const dataset = await prepareFor(job, inWorkdir(job, into), {
    ...(signal === undefined ? {} : { signal }),
    onPhase: (phase) => {
      const step = phases.indexOf(phase);
      told.push(reports.write({ type: 'progress', step, totalSteps: phases.length }));
    },
  });
  await Promise.all(told);
  const { manifestDigest, train, validation, files, vocabularySize } = dataset;
  const values = {
    manifestDigest,
    vocabularySize,
    trainTokens: train.tokens,
    validationTokens: validation.tokens,
    files: files.length,
    filesSkipped: files.filter(({ use }) => use === 'skipped').length,
    ...preparationFacts(dataset),
  };
  await reports.write({ type: 'progress', step: phases.length, totalSteps: phases.length });
  await reports.write({ type: 'facts', values });
  process.stdout.write(
    `${into}: ${train.tokens} tokens to learn from, ${validation.tokens} held out, manifest ${manifestDigest}\n`,
  );
  for (const [name, value] of Object.entries(values))
    if (/^(documents|dropped_|cut)/.test(name)) process.stdout.write(`${name}: ${value}\n`);
}
