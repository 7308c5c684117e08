/** What only rank 0 does for a classifier: reports, the look at held-out samples, the export. */
import { join } from 'node:path';
import type { ClassifierConfig } from '@gantry/training/classifier';
import type { ParameterLayout } from '@gantry/training/model';
import type { SaveOutcome } from '../checkpoint/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import { CheckpointPace } from '../rank/checkpoint-pace.ts';
import { BestModel } from '../rank/best-model.ts';
import { badBatchReport, failedSaveReport, lostBestReport } from '../rank/fault-reports.ts';
import { modelReport } from '../rank/model-report.ts';
import type { RankEnvironment } from '../rank/rank-environment.ts';
import type { ReportWriter } from '../rank/report-writer.ts';
import type { BadBatchReport, StepOutcome } from '../rank/train-loop.ts';
import type { TrainingPlan } from '../rank/training-plan.ts';
import { createClassifierExecutor, type ClassifierExecutor } from './classifier-executor.ts';
import { exportClassifier } from './export-classifier.ts';
import type { Samples } from './samples.ts';

interface ClassifierZeroOptions {
  readonly config: ClassifierConfig;
  readonly plan: TrainingPlan;
  readonly samples: Samples;
  readonly shard: ModelShard;
  readonly layout: ParameterLayout;
  readonly environment: RankEnvironment;
  readonly reports: ReportWriter;
  readonly resumedStep: number;
}

interface Judgement {
  /** Mean over the held-out samples. */
  readonly validationLoss: number;
  /** Share of them whose most likely class is theirs. */
  readonly accuracy: number;
}

const reportEveryMs = 500;
const judgedTogether = 256;

export class ClassifierZero implements AsyncDisposable {
  readonly #options: ClassifierZeroOptions;
  readonly #judge: ClassifierExecutor;
  readonly #pace: CheckpointPace;
  readonly #best: BestModel | undefined;
  readonly #startedMs = performance.now();
  #reportedMs = -Infinity;
  #savedStep: number;
  #lastLoss: number | undefined;

  private constructor(
    options: ClassifierZeroOptions,
    judge: ClassifierExecutor,
    pace: CheckpointPace,
    best: BestModel | undefined,
  ) {
    this.#options = options;
    this.#judge = judge;
    this.#pace = pace;
    this.#best = best;
    this.#savedStep = options.resumedStep;
  }

  static async open(options: ClassifierZeroOptions): Promise<ClassifierZero> {
    const { config, plan, samples, shard, layout, environment, reports, resumedStep } = options;
    const parameters = shard.parameters.values;
    const judge = await createClassifierExecutor({
      config,
      samples: Math.max(1, Math.min(judgedTogether, samples.validation.length)),
      parameters,
      roundsToInt8: plan.roundsToInt8,
    });
    const pace = await CheckpointPace.open(environment.runDirectory, plan.checkpoint);
    await reports.write({
      type: 'facts',
      values: {
        ranks: environment.worldSize,
        zero: plan.zero,
        optimizer: plan.optimizer.name,
        microBatches: plan.microBatches,
        parameters: layout.parameters.reduce((sum, { length }) => sum + length, 0),
        classes: config.classes,
        trainSamples: samples.train.length,
        validationSamples: samples.validation.length,
        batchSize: plan.globalSequences,
        steps: plan.steps,
        resumedFromStep: resumedStep,
      },
    });
    const best = await BestModel.open(environment.runDirectory, plan.earlyStopping, resumedStep);
    return new ClassifierZero(options, judge, pace, best);
  }

  wantsCheckpoint(step: number): boolean {
    return this.#pace.isDue(step);
  }

  async reportSave(outcome: SaveOutcome): Promise<void> {
    const { reports, environment } = this.#options;
    if (outcome.kind !== 'saved') {
      await reports.write(failedSaveReport(outcome, this.#savedStep, environment.runDirectory));
      return;
    }
    this.#savedStep = outcome.checkpoint.step;
    const { step, path, bytes, digest } = outcome.checkpoint;
    await reports.write({ type: 'checkpoint', path, step, bytes, digest });
    await this.#pace.saved(outcome);
  }

  async reportBadBatch(bad: BadBatchReport): Promise<void> {
    await this.#options.reports.write(badBatchReport(bad));
  }

  async afterStep({ step, loss, learningRate }: StepOutcome): Promise<void> {
    const { plan, reports, resumedStep } = this.#options;
    this.#lastLoss = loss;
    const now = performance.now();
    if (step !== plan.steps && now - this.#reportedMs < reportEveryMs) return;
    this.#reportedMs = now;
    const stepSeconds = (now - this.#startedMs) / 1000 / (step - resumedStep);
    await reports.write({
      type: 'progress',
      step,
      totalSteps: plan.steps,
      loss,
      etaSeconds: Math.round((plan.steps - step) * stepSeconds),
      learningRate,
    });
  }

  /** How well held-out samples are told apart; whether training has gone on long enough. */
  async look(step: number): Promise<boolean> {
    const judgement = await this.#judgeHeldOut();
    if (judgement === undefined) return false;
    const { reports, shard } = this.#options;
    await reports.write({ type: 'metric', step, values: { ...judgement } });
    const looked = await this.#best?.look(step, judgement.validationLoss, shard.parameters.values);
    if (looked?.problem !== undefined) await reports.write(lostBestReport(step, looked.problem));
    return looked?.isEnough ?? false;
  }

  async finish(step: number): Promise<void> {
    const { config, plan, samples, shard, environment, reports } = this.#options;
    const outDir = join(environment.runDirectory, 'export');
    const best = await this.#best?.takeInto(shard.parameters.values);
    const judgement = await this.#judgeHeldOut();
    await exportClassifier(config, samples, shard.parameters.values, outDir, plan.roundsToInt8);
    await reports.write(
      modelReport(environment, {
        outDir,
        formats: ['onnx'],
        metrics: { ...(this.#lastLoss === undefined ? {} : { loss: this.#lastLoss }), ...judgement },
        step,
        best,
        seed: plan.seed,
        dataset: samples.digest,
        trained: { trainSamples: samples.train.length },
        startedMs: this.#startedMs,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#judge[Symbol.asyncDispose]();
  }

  async #judgeHeldOut(): Promise<Judgement | undefined> {
    const { samples, config } = this.#options;
    const { validation } = samples;
    if (validation.length === 0) return undefined;
    let [loss, right] = [0, 0];
    for (let first = 0; first < validation.length; first += judgedTogether) {
      const batch = validation.slice(first, first + judgedTogether);
      // A last batch that is shorter ends in copies: ranges are those of its own samples.
      for (let row = 0; row < this.#judge.weights.length; row += 1)
        this.#judge.take(samples, batch[Math.min(row, batch.length - 1)] as number, row);
      await this.#judge.run();
      for (const [row, index] of batch.entries()) {
        const from = row * config.classes;
        const logits = [...this.#judge.logits.subarray(from, from + config.classes)];
        const top = Math.max(...logits);
        const target = samples.targets[index] as number;
        const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
        loss += top + Math.log(sum) - (logits[target] as number);
        if (logits.indexOf(top) === target) right += 1;
      }
    }
    return { validationLoss: loss / validation.length, accuracy: right / validation.length };
  }
}
