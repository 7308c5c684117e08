/** What only rank 0 does beside its share: reports, checkpoints, samples, validation, and the export at the end. */
import { join } from 'node:path';
import { gridAt, StragglerWatch, worldSizeOf } from '@gantry/training/parallel';
import { isBlockFormat, type Precision } from '@gantry/training/autodiff';
import { toHuggingFaceWeights } from '@gantry/training/model';
import { clearLeftovers, type SaveOutcome } from '../checkpoint/index.ts';
import { createModelExecutor, type ModelExecutor } from '../executor/index.ts';
import { exportModel } from '../export/index.ts';
import { withMaskToken } from '@gantry/training/tokenizer';
import { hasWholeModel } from '../parallel/index.ts';
import { BestModel } from './best-model.ts';
import { arenaFigures } from './arena-figures.ts';
import { endFigures } from './end-figures.ts';
import { badBatchReport, failedSaveReport, lostBestReport } from './fault-reports.ts';
import { generateSample } from './generate-sample.ts';
import { CheckpointPace } from './checkpoint-pace.ts';
import { modelReport } from './model-report.ts';
import type { ReportWriter } from './report-writer.ts';
import { bigramLossOf, startReports } from './start-reports.ts';
import { openTokenSource, type TokenSource } from './token-source.ts';
import type { BadBatchReport, StepOutcome } from './train-loop.ts';
import { checkpointDirectory, type TrainingSession } from './training-session.ts';
import { validationLoss } from './validation.ts';

const reportEveryMs = 500;
const sampleTokens = 48;
/** Enough to see the trend on the way; at the end up to `finalSequences` are read. */
const trendSequences = 32;
const finalSequences = 2048;

export class RankZero implements AsyncDisposable {
  /** The whole model: the shard's own buffer, or room for what `gatherParameters` brings. */
  readonly parameters: Float32Array;
  readonly #session: TrainingSession;
  readonly #reports: ReportWriter;
  readonly #validator: ModelExecutor;
  readonly #sampler: ModelExecutor;
  readonly #heldOut: TokenSource;
  readonly #startedMs = performance.now();
  readonly #stragglers: StragglerWatch;
  readonly #best: BestModel | undefined;
  readonly #pace: CheckpointPace;
  #isStragglerNamed = false;
  #reportedMs = -Infinity;
  #savedStep: number;
  #stepSeconds: number | undefined;
  #stepMs = performance.now();
  #lastLoss: number | undefined;

  private constructor(
    session: TrainingSession,
    reports: ReportWriter,
    parameters: Float32Array,
    parts: {
      pace: CheckpointPace;
      best: BestModel | undefined;
      validator: ModelExecutor;
      sampler: ModelExecutor;
      heldOut: TokenSource;
    },
  ) {
    this.#session = session;
    this.#reports = reports;
    this.parameters = parameters;
    this.#validator = parts.validator;
    this.#sampler = parts.sampler;
    this.#heldOut = parts.heldOut;
    this.#pace = parts.pace;
    this.#best = parts.best;
    this.#savedStep = session.resumed?.step ?? 0;
    const { sizes } = session.plan;
    const ranks = Array.from({ length: worldSizeOf(sizes) }, (_, rank) => gridAt(sizes, rank));
    this.#stragglers = new StragglerWatch(
      Array.from({ length: sizes.pipeline }, (_, stage) =>
        ranks.filter(({ pipelineIndex }) => pipelineIndex === stage).map(({ rank }) => rank),
      ),
    );
  }

  static async open(session: TrainingSession, reports: ReportWriter): Promise<RankZero> {
    const { config, plan, shard, layout, dataset, environment } = session;
    const parameters = hasWholeModel(shard) ? shard.parameters.values : new Float32Array(layout.length);
    // What an export of rounded weights will answer.
    const precision: Precision = isBlockFormat(plan.precision) ? plan.precision : 'fp32';
    const common = { config, time: plan.time, parameters, precision };
    const zero = new RankZero(session, reports, parameters, {
      pace: await CheckpointPace.open(environment.runDirectory, plan.checkpoint),
      best: await BestModel.open(environment.runDirectory, plan.earlyStopping, session.resumed?.step ?? 0),
      validator: await createModelExecutor({ ...common, sequences: plan.microSequences, kind: 'loss' }),
      sampler: await createModelExecutor({ ...common, sequences: 1, kind: 'logits' }),
      heldOut: openTokenSource(dataset.validation.shards, plan.time),
    });
    await clearLeftovers(checkpointDirectory(environment.runDirectory));
    await zero.#reportStart();
    return zero;
  }

  async afterStep(outcome: StepOutcome): Promise<void> {
    const { plan } = this.#session;
    const { step } = outcome;
    this.#lastLoss = outcome.loss;
    await this.#reportStraggler(outcome);
    const now = performance.now();
    const seconds = (now - this.#stepMs) / 1000;
    this.#stepSeconds = this.#stepSeconds === undefined ? seconds : this.#stepSeconds * 0.9 + seconds * 0.1;
    const isFirst = step === (this.#session.resumed?.step ?? 0) + 1;
    if (isFirst || step === plan.steps || now - this.#reportedMs >= reportEveryMs) {
      this.#reportedMs = now;
      const { shard } = this.#session;
      if (isFirst) await this.#reports.write({ type: 'metric', step, values: arenaFigures(shard.arena) });
      await this.#reportProgress(outcome, this.#stepSeconds);
    }
    this.#stepMs = performance.now();
  }

  wantsCheckpoint(step: number): boolean {
    return this.#pace.isDue(step);
  }

  /** A failed save is reported and training goes on: the previous checkpoint still stands. */
  async reportSave(outcome: SaveOutcome): Promise<void> {
    if (outcome.kind === 'saved') {
      const { checkpoint, stallMs, writeMs } = outcome;
      this.#savedStep = checkpoint.step;
      const { step, path, bytes, digest, writtenBytes } = checkpoint;
      await this.#reports.write({ type: 'checkpoint', path, step, bytes, digest });
      await this.#pace.saved({ stallMs, writeMs });
      const { intervalMs } = this.#pace;
      const values = {
        checkpointStallMs: stallMs,
        checkpointWriteMs: writeMs,
        checkpointWrittenBytes: writtenBytes,
        ...(intervalMs === undefined ? {} : { checkpointIntervalSeconds: intervalMs / 1000 }),
      };
      await this.#reports.write({ type: 'metric', step, values });
      return;
    }
    const { environment } = this.#session;
    await this.#reports.write(failedSaveReport(outcome, this.#savedStep, environment.runDirectory));
  }

  /** Half-precision gradients were too large: the step is tried with the next batch at half the scale. */
  async reportOverflow(step: number, lossScale: number): Promise<void> {
    await this.#reports.write({ type: 'metric', step, values: { lossScale } });
  }

  /** Training goes on, and who looks should know what it left out. */
  async reportBadBatch(bad: BadBatchReport): Promise<void> {
    await this.#reports.write(badBatchReport(bad));
  }

  async finish(step: number): Promise<void> {
    const { config, layout, dataset, environment, job, plan, masking } = this.#session;
    const outDir = join(environment.runDirectory, 'export');
    const best = await this.#best?.takeInto(this.parameters);
    const loss = await validationLoss(
      this.#validator,
      this.#heldOut,
      this.#batchShape(),
      finalSequences,
      masking,
    );
    const { formats } = await exportModel({
      weights: toHuggingFaceWeights(layout, this.parameters),
      config,
      tokenizer: masking === undefined ? dataset.tokenizer : withMaskToken(dataset.tokenizer),
      outDir,
      name: job.name ?? environment.job,
      ...(job.train.exportPrecision === undefined ? {} : { precision: job.train.exportPrecision }),
      ...(isBlockFormat(plan.precision) ? { blocks: plan.precision } : {}),
    });
    const values = endFigures(this.#session, this.#startedMs);
    await this.#reports.write({ type: 'metric', step, values });
    await this.#reports.write(
      modelReport(environment, {
        outDir,
        formats,
        metrics: {
          ...(this.#lastLoss === undefined ? {} : { loss: this.#lastLoss }),
          ...(loss === undefined ? {} : { validationLoss: loss, ...bigramLossOf(this.#session) }),
        },
        step,
        best,
        seed: plan.seed,
        dataset: dataset.manifestDigest,
        trained: { trainTokens: dataset.train.tokens },
        startedMs: this.#startedMs,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#validator[Symbol.asyncDispose]();
    await this.#sampler[Symbol.asyncDispose]();
    this.#heldOut[Symbol.dispose]();
  }

  async #reportStart(): Promise<void> {
    for (const report of startReports(this.#session, this.#validator)) await this.#reports.write(report);
  }

  async #reportStraggler({ step, busyMs }: StepOutcome): Promise<void> {
    const found = this.#stragglers.judge(busyMs);
    if (found === undefined || (found === 'none' && !this.#isStragglerNamed)) return;
    this.#isStragglerNamed = found !== 'none';
    const { rank, slowdown } = found === 'none' ? { rank: null, slowdown: null } : found;
    const values = { stragglerRank: rank, stragglerSlowdown: slowdown };
    await this.#reports.write({ type: 'metric', step, values });
  }

  async #reportProgress(outcome: StepOutcome, stepSeconds: number): Promise<void> {
    const { plan, sampler } = this.#session;
    if (plan.mostBatches !== undefined) {
      const values = { batchTokens: outcome.batches * plan.globalSequences * plan.time };
      await this.#reports.write({ type: 'metric', step: outcome.step, values });
    }
    if (outcome.noiseScale !== undefined) {
      const values = { gradientNoiseScale: Math.round(outcome.noiseScale * plan.time) };
      await this.#reports.write({ type: 'metric', step: outcome.step, values });
    }
    await this.#reports.write({
      type: 'progress',
      step: outcome.step,
      totalSteps: plan.steps,
      loss: outcome.loss,
      tokensPerSecond: Math.round((outcome.batches * plan.globalSequences * plan.time) / stepSeconds),
      etaSeconds: Math.round((plan.steps - outcome.step) * stepSeconds),
      learningRate: outcome.learningRate,
      epoch: sampler.epochOf(outcome.position - 1),
    });
  }

  /** Held-out loss and a sample of the model as it is; whether training has gone on long enough. */
  async look(step: number): Promise<boolean> {
    const { config, masking } = this.#session;
    const loss = await validationLoss(
      this.#validator,
      this.#heldOut,
      this.#batchShape(),
      trendSequences,
      masking,
    );
    if (loss !== undefined) {
      await this.#reports.write({
        type: 'metric',
        step,
        values: { validationLoss: loss, ...bigramLossOf(this.#session) },
      });
    }
    if (config.isCausal) await this.#reportSample(step);
    // What was done beside the step is not its speed.
    this.#stepMs = performance.now();
    if (loss === undefined || this.#best === undefined) return false;
    const { isEnough, problem } = await this.#best.look(step, loss, this.parameters);
    if (problem !== undefined) await this.#reports.write(lostBestReport(step, problem));
    if (!isEnough) return false;
    await this.#reports.write({ type: 'facts', values: { stoppedEarlyAtStep: step } });
    return true;
  }

  async #reportSample(step: number): Promise<void> {
    const { plan, dataset } = this.#session;
    const text = await generateSample(this.#sampler, dataset.tokenizer, {
      prompt: plan.samplePrompt,
      seed: plan.seed + step,
      tokens: sampleTokens,
      temperature: 0.8,
    });
    await this.#reports.write({ type: 'sample', step, prompt: plan.samplePrompt, text });
  }

  #batchShape(): { sequences: number; time: number } {
    return { sequences: this.#session.plan.microSequences, time: this.#session.plan.time };
  }
}
