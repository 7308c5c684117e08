/** A place with text to train on, where attempts of a small job are run and looked at. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerReportSchema, type WorkerReport } from '@gantry/contract';
import { openCheckpoint, type FoundCheckpoint } from '../checkpoint/index.ts';
import { runTrainingRank, type TrainingRankOptions } from '../rank/run-training-rank.ts';
import { runTraining } from '../rank/run-training.ts';
import { withWordsKept } from './kept-words.ts';
import { readParameters } from './read-parameters.ts';

export interface AttemptOptions extends Partial<Omit<TrainingRankOptions, 'env'>> {
  readonly run?: string;
  readonly ranks?: number;
  readonly resumeFrom?: string;
  readonly train?: Record<string, unknown>;
  readonly checkpoint?: Record<string, unknown>;
  readonly parallel?: Record<string, unknown>;
  /** All ranks in one process, as the platform starts it; the job says how many. */
  readonly areThreads?: boolean;
  /** Instead of a folder of Unix sockets. */
  readonly rendezvous?: { readonly place: string; readonly token?: string };
}

export interface AttemptOutcome {
  readonly codes: readonly number[];
  readonly reports: readonly WorkerReport[];
  /** Of each step that rank 0 made; none of ranks that are threads. */
  readonly losses: readonly number[];
}

export interface TrainingScene extends AsyncDisposable {
  readonly root: string;
  /** All ranks of one attempt, in this process; each has its own buffers, sockets and executors. */
  attempt(this: void, options?: AttemptOptions): Promise<AttemptOutcome>;
  /** While an attempt of this run goes on. */
  untilReported(run: string, text: string): Promise<void>;
  checkpointAt(run: string, step: number): string;
  checkpoint(run: string, step: number): Promise<FoundCheckpoint>;
  parametersAt(run: string, step: number): Promise<Float32Array>;
}

const tinyModel = {
  recipe: 'language-model',
  data: ['text/*.txt'],
  depth: 1,
  width: 32,
  heads: 2,
  kvHeads: 1,
  hidden: 48,
  steps: 12,
  sequenceLength: 16,
  batchTokens: 112,
  vocabularySize: 270,
  sampleEvery: 6,
};

export async function openTrainingScene(): Promise<TrainingScene> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-rank-'));
  await mkdir(join(root, 'text'));
  for (let file = 0; file < 6; file += 1) {
    const lines = Array.from(
      { length: 60 },
      (_, line) => `the ${['cat', 'dog', 'owl'][(line + file) % 3]} saw ${line % 7} mice`,
    );
    await writeFile(join(root, 'text', `${file}.txt`), lines.join('\n'));
  }
  const checkpointAt = (run: string, step: number): string =>
    join(root, run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  return {
    root,
    attempt: (options = {}) => withWordsKept(() => attempt(root, options)),
    untilReported: async (run, text) => {
      const path = join(root, run, 'report.jsonl');
      while (!(await readFile(path, 'utf8').catch(() => '')).includes(text))
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
    checkpointAt,
    checkpoint: (run, step) => openCheckpoint(checkpointAt(run, step)),
    parametersAt: (run, step) => readParameters(checkpointAt(run, step)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

async function attempt(root: string, options: AttemptOptions): Promise<AttemptOutcome> {
  const { run = 'run', ranks = 1, train, checkpoint, parallel, resumeFrom, rendezvous, ...others } = options;
  const { areThreads = false, ...rest } = others;
  const start = areThreads ? runTraining : runTrainingRank;
  const runDirectory = join(root, run);
  await mkdir(runDirectory, { recursive: true });
  const place = rendezvous?.place ?? (await mkdtemp(join(root, 'rv-')));
  const specFile = join(runDirectory, 'spec.json');
  const reportFile = join(runDirectory, 'report.jsonl');
  await rm(reportFile, { force: true });
  const spec = {
    name: 'tiny',
    workdir: root,
    train: { ...tinyModel, ...train },
    checkpoint: { everySteps: 4, keep: 3, ...checkpoint },
    parallel,
  };
  await writeFile(specFile, JSON.stringify(spec));
  const losses: number[] = [];
  const codes = await Promise.all(
    Array.from({ length: ranks }, (_, rank) =>
      start({
        ...rest,
        onStep: (outcome, of) => {
          if (of === 0) losses.push(outcome.loss);
          rest.onStep?.(outcome, of);
        },
        env: {
          RANK: String(rank),
          WORLD_SIZE: String(ranks),
          GANTRY_RUN_DIR: runDirectory,
          GANTRY_SPEC_FILE: specFile,
          GANTRY_REPORT_FILE: reportFile,
          GANTRY_RENDEZVOUS: place,
          GANTRY_RENDEZVOUS_TOKEN: rendezvous?.token,
          GANTRY_RESUME_FROM: resumeFrom,
        },
      }),
    ),
  );
  const text = await readFile(reportFile, 'utf8').catch(() => '');
  const reports = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => workerReportSchema.parse(JSON.parse(line)));
  return { codes, reports, losses };
}

export function worstDifference(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) throw new RangeError(`${one.length} values beside ${other.length}`);
  return one.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (other[index] as number))), 0);
}

export function ofType<Type extends WorkerReport['type']>(
  reports: readonly WorkerReport[],
  type: Type,
): Extract<WorkerReport, { type: Type }>[] {
  return reports.filter((report): report is Extract<WorkerReport, { type: Type }> => report.type === type);
}
