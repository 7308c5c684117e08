/** The recipe `classifier`: samples in memory on every rank, data-parallel, the same loop and checkpoints as a transformer's. */
import { countOf } from '@gantry/kit';
import { checkClassifier, classifierLayout, type ClassifierConfig } from '@gantry/training/classifier';
import { eachInitialParameter, ShapeError } from '@gantry/training/model';
import { gridAt } from '@gantry/training/parallel';
import { createSequenceSampler } from '@gantry/training/sampler';
import { DataError } from '../data/index.ts';
import { findFiles } from '../data/find-files.ts';
import type { World } from '../group/index.ts';
import { openUpdateRule } from '../parallel/index.ts';
import { openCheckpointer } from '../rank/open-checkpointer.ts';
import { openShard } from '../rank/open-shard.ts';
import type { RankEnvironment } from '../rank/rank-environment.ts';
import type { ReportWriter } from '../rank/report-writer.ts';
import { shareCheckpoint, type CheckpointSearch } from '../rank/share-checkpoint.ts';
import { trainLoop, type StepOutcome } from '../rank/train-loop.ts';
import type { TrainingJob } from '../rank/training-job.ts';
import { sourcesOf } from '../rank/training-data.ts';
import { planTraining, type TrainingPlan } from '../rank/training-plan.ts';
import { checkpointDirectory } from '../rank/training-session.ts';
import { UserFault } from '../rank/user-fault.ts';
import { openClassifierGradients } from './classifier-gradients.ts';
import { ClassifierZero } from './classifier-zero.ts';
import { readImages } from './read-images.ts';
import { readTable } from './read-table.ts';
import { prepareSamples, type Samples } from './samples.ts';

export interface ClassifierRun {
  readonly environment: RankEnvironment;
  readonly job: TrainingJob;
  readonly world: World;
  readonly reports: ReportWriter;
  readonly options: {
    readonly signal?: AbortSignal;
    readonly beforeWrite?: (directory: string) => Promise<void>;
    readonly onGradients?: (step: number, gradients: Float32Array, rank: number) => void;
    readonly onStep?: (outcome: StepOutcome, rank: number) => void;
  };
}

type ClassifierJob = NonNullable<TrainingJob['train']['classifier']>;

/** Rank 0 may export for a while. */
const finishTimeoutMs = 10 * 60 * 1000;

/** Answers the exit code. */
export async function trainClassifier(run: ClassifierRun): Promise<number> {
  const { environment, job, world, reports, options } = run;
  const wanted = job.train.classifier;
  if (wanted === undefined)
    throw new UserFault(
      'bad_spec',
      'The recipe `classifier` needs a `train.classifier` section.',
      'Set train.classifier.kind to table or image.',
    );
  const plan = planOf(job, wanted, environment.worldSize);
  const samples = await readSamples(job, wanted);
  const config = configOf(wanted, samples);
  const layout = classifierLayout(config);
  const grid = gridAt(plan.sizes, environment.rank);
  const { runDirectory } = environment;
  const shard = await openShard({ config, plan, layout, grid, world, runDirectory });
  const directory = checkpointDirectory(environment.runDirectory);
  const search: CheckpointSearch = {
    world,
    directory,
    resumeFrom: environment.resumeFrom,
    config,
    dataDigest: samples.digest,
    optimizer: plan.optimizer.name,
    shard,
  };
  const { resumed } = await shareCheckpoint(search);
  if (resumed === undefined)
    eachInitialParameter(layout, plan.seed, ({ offset }, values) => shard.parameters.write(offset, values));
  const sampler = createSequenceSampler(samples.train.length, plan.seed);
  const common = { config, plan, samples, shard };
  await using gradients = await openClassifierGradients({
    ...common,
    sampler,
    timeline: world.timeline,
    augmentation: wanted.kind === 'image' ? wanted.augment : {},
  });
  await using rule = openUpdateRule(shard, plan.optimizer);
  await using zero =
    environment.rank === 0
      ? await ClassifierZero.open({
          ...common,
          environment,
          reports,
          layout,
          resumedStep: resumed?.step ?? 0,
        })
      : undefined;
  await using checkpointer = openCheckpointer({ directory, shard, plan, options });
  const { step, isStopped } = await trainLoop({
    plan,
    shard,
    world,
    gradients,
    rule,
    checkpointer,
    start: {
      step: resumed?.step ?? 0,
      position: resumed?.manifest.position ?? 0,
      lossScale: resumed?.manifest.lossScale,
      adaptation: resumed?.manifest.adaptation,
    },
    stateOf: (done) => ({
      ...done,
      seed: plan.seed,
      shape: { ...config },
      dataDigest: samples.digest,
      optimizer: plan.optimizer.name,
    }),
    wantsCheckpoint: (done) => zero?.wantsCheckpoint(done) ?? false,
    rollBack: async () => (await shareCheckpoint(search)).resumed?.step,
    onOverflow: () => Promise.resolve(),
    onBadBatch: async (bad) => zero?.reportBadBatch(bad),
    onSaved: async (outcome) => zero?.reportSave(outcome),
    afterStep: async (done) => {
      options.onStep?.(done, environment.rank);
      return await isEnough(plan, world, zero, done);
    },
    onGradients: (done, values) => options.onGradients?.(done, values, environment.rank),
    signal: options.signal,
  });
  if (!isStopped) await zero?.finish(step);
  await world.barrier(finishTimeoutMs);
  return isStopped ? 143 : 0;
}

/** Rank 0 looks at held-out samples; all ranks do as it says. */
async function isEnough(
  plan: TrainingPlan,
  world: World,
  zero: ClassifierZero | undefined,
  done: StepOutcome,
): Promise<boolean> {
  await zero?.afterStep(done);
  if (done.step % plan.sampleEvery !== 0 && done.step !== plan.steps) return false;
  const enough = (await zero?.look(done.step)) ?? false;
  if (plan.earlyStopping === undefined) return false;
  const told = Float32Array.of(enough ? 1 : 0);
  await world.broadcast(told, 0);
  return told[0] === 1;
}

/** A sample is a sequence of one. */
function planOf(job: TrainingJob, { batchSize }: ClassifierJob, worldSize: number): TrainingPlan {
  const train = { ...job.train, sequenceLength: 1, batchTokens: batchSize };
  const plan = planTraining({ ...job, train }, 192, worldSize);
  const { tensor, pipeline, data } = plan.sizes;
  const wrong = [
    [tensor > 1, `tensor ${tensor}`],
    [pipeline > 1, `pipeline ${pipeline}`],
    [plan.zero > 1, `zero ${plan.zero}`],
    [plan.recompute !== 'none', `recompute ${plan.recompute}`],
    [plan.precision !== 'fp32', `precision ${plan.precision}`],
    [data !== worldSize, `data ${data} over ${countOf(worldSize, 'rank')}`],
  ] as const;
  const [first] = wrong.filter(([isWrong]) => isWrong);
  if (first !== undefined)
    throw new UserFault(
      'bad_layout',
      `A classifier is too small to be cut up: ${first[1]} does not work.`,
      'Use replicas or parallel.data, with zero 0 or 1, and fp32.',
    );
  return plan;
}

async function readSamples({ train, workdir }: TrainingJob, wanted: ClassifierJob): Promise<Samples> {
  const patterns = sourcesOf(train.data).flatMap((source) => source.patterns);
  try {
    const files = await findFiles(patterns, workdir ?? process.cwd());
    const raw = await (wanted.kind === 'table'
      ? readTable(files, wanted.label)
      : readImages(files, wanted.size));
    return prepareSamples(raw, train.validationFraction, train.seed);
  } catch (error) {
    throw error instanceof DataError ? new UserFault(error.code, error.message, error.hint) : error;
  }
}

function configOf(wanted: ClassifierJob, { input, classes }: Samples): ClassifierConfig {
  const config: ClassifierConfig = {
    family: 'classifier',
    input,
    classes: classes.length,
    channels: wanted.kind === 'image' ? wanted.channels : [],
    hidden: wanted.hidden,
  };
  try {
    checkClassifier(config);
    return config;
  } catch (error) {
    throw error instanceof ShapeError ? new UserFault('bad_shape', error.message, error.hint) : error;
  }
}
