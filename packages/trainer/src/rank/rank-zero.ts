/** What only rank 0 does beside its share: reports, checkpoints, samples, validation, and the export at the end. */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { toHuggingFaceWeights } from '@gantry/training/model';
import { pruneCheckpoints, saveCheckpoint, writeDurably, type WriteDurably } from '../checkpoint/index.ts';
import { createLlamaExecutor, type LlamaExecutor } from '../executor/index.ts';
import { exportModel } from '../export/index.ts';
import { generateSample } from './generate-sample.ts';
import type { ReportWriter } from './report-writer.ts';
import { openTokenSource, type TokenSource } from './token-source.ts';
import type { StepOutcome } from './train-loop.ts';
import { checkpointDirectory, type TrainingSession } from './training-session.ts';
import { validationLoss } from './validation.ts';

const reportEveryMs = 500;
const sampleTokens = 48;
/** Enough to see the trend on the way; at the end up to `finalSequences` are read. */
const trendSequences = 32;
const finalSequences = 2048;

export class RankZero implements AsyncDisposable {
  readonly #session: TrainingSession;
  readonly #reports: ReportWriter;
  readonly #write: WriteDurably;
  readonly #validator: LlamaExecutor;
  readonly #sampler: LlamaExecutor;
  readonly #heldOut: TokenSource;
  readonly #startedMs = performance.now();
  #reportedMs = -Infinity;
  #checkpointMs = performance.now();
  #savedStep: number;
  #stepSeconds: number | undefined;
  #stepMs = performance.now();
  #lastLoss: number | undefined;

  private constructor(
    session: TrainingSession,
    reports: ReportWriter,
    write: WriteDurably,
    parts: { validator: LlamaExecutor; sampler: LlamaExecutor; heldOut: TokenSource },
  ) {
    this.#session = session;
    this.#reports = reports;
    this.#write = write;
    this.#validator = parts.validator;
    this.#sampler = parts.sampler;
    this.#heldOut = parts.heldOut;
    this.#savedStep = session.resumed?.step ?? 0;
  }

  static async open(
    session: TrainingSession,
    reports: ReportWriter,
    write = writeDurably,
  ): Promise<RankZero> {
    const { config, plan, buffers, dataset } = session;
    const common = { config, time: plan.time, parameters: buffers.parameters };
    const zero = new RankZero(session, reports, write, {
      validator: await createLlamaExecutor({ ...common, sequences: plan.microSequences, kind: 'loss' }),
      sampler: await createLlamaExecutor({ ...common, sequences: 1, kind: 'logits' }),
      heldOut: await openTokenSource(dataset.validation.shards, plan.time),
    });
    await zero.#reportStart();
    return zero;
  }

  async afterStep(outcome: StepOutcome): Promise<void> {
    const { plan } = this.#session;
    const { step } = outcome;
    this.#lastLoss = outcome.loss;
    const now = performance.now();
    const seconds = (now - this.#stepMs) / 1000;
    this.#stepSeconds = this.#stepSeconds === undefined ? seconds : this.#stepSeconds * 0.9 + seconds * 0.1;
    const isFirst = step === (this.#session.resumed?.step ?? 0) + 1;
    if (isFirst || step === plan.steps || now - this.#reportedMs >= reportEveryMs) {
      this.#reportedMs = now;
      await this.#reportProgress(outcome, this.#stepSeconds);
    }
    if (this.#isCheckpointDue(step)) await this.checkpoint(step);
    if (step % plan.sampleEvery === 0 || step === plan.steps) await this.#look(step);
    // What was done beside the step is not its speed.
    this.#stepMs = performance.now();
  }

  /** A failed save is reported and training goes on: the previous checkpoint still stands. */
  async checkpoint(step: number): Promise<void> {
    if (step === this.#savedStep) return;
    const { plan, buffers, config, dataset, environment } = this.#session;
    const directory = checkpointDirectory(environment.runDirectory);
    this.#checkpointMs = performance.now();
    try {
      const state = {
        step,
        position: step * plan.globalSequences,
        seed: plan.seed,
        shape: { ...config },
        dataDigest: dataset.manifestDigest,
        loss: this.#lastLoss,
      };
      const saved = await saveCheckpoint(directory, state, buffers, this.#write);
      this.#savedStep = step;
      await this.#reports.write({ type: 'checkpoint', ...saved });
      await pruneCheckpoints(directory, plan.checkpoint.keep);
    } catch (error) {
      const isFull =
        (error as { code?: unknown }).code === 'ENOSPC' || (error as { code?: unknown }).code === 'EDQUOT';
      await this.#reports.write({
        type: 'fault',
        code: isFull ? 'disk_full' : 'checkpoint_failed',
        message: `The checkpoint of step ${step} could not be written${isFull ? ': the disk is full' : `: ${String(error)}`}. Training goes on; the checkpoint of step ${this.#savedStep} is kept.`,
        hint: `Free space under ${environment.runDirectory}.`,
      });
    }
  }

  async finish(step: number): Promise<void> {
    await this.checkpoint(step);
    const { config, layout, buffers, dataset, environment, job, plan } = this.#session;
    const outDir = join(environment.runDirectory, 'export');
    const loss = await validationLoss(this.#validator, this.#heldOut, this.#batchShape(), finalSequences);
    await exportModel({
      weights: toHuggingFaceWeights(layout, buffers.parameters),
      config,
      tokenizer: dataset.tokenizer,
      outDir,
      name: job.name ?? environment.job,
    });
    await this.#reports.write({
      type: 'artifact',
      kind: 'model',
      path: outDir,
      formats: ['safetensors', 'gguf'],
      metrics: {
        ...(this.#lastLoss === undefined ? {} : { loss: this.#lastLoss }),
        ...(loss === undefined ? {} : { validationLoss: loss, bigramLoss: dataset.bigramLoss }),
      },
      lineage: {
        job: environment.job,
        attempt: environment.attempt,
        step,
        seed: plan.seed,
        dataset: dataset.manifestDigest,
        trainTokens: dataset.train.tokens,
        seconds: Math.round((performance.now() - this.#startedMs) / 1000),
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#validator[Symbol.asyncDispose]();
    await this.#sampler[Symbol.asyncDispose]();
  }

  #isCheckpointDue(step: number): boolean {
    const { everySteps, everyMs } = this.#session.plan.checkpoint;
    if (everySteps !== undefined && step % everySteps === 0) return true;
    return everyMs !== undefined && performance.now() - this.#checkpointMs >= everyMs;
  }

  async #reportStart(): Promise<void> {
    const { environment, layout, plan, dataset, config, resumed, damaged, executor } = this.#session;
    for (const { path, reason } of damaged) {
      await this.#reports.write({
        type: 'fault',
        code: 'checkpoint_damaged',
        message: `The checkpoint ${path} is damaged (${reason}); ${resumed === undefined ? 'training starts anew' : `training goes on from step ${resumed.step}`}.`,
        hint: 'Nothing is needed; if it happens again, check the disk.',
      });
    }
    await this.#reports.write({
      type: 'facts',
      values: {
        device: `CPU (${cpus()[0]?.model.trim() ?? 'unknown'})`,
        dialect: executor.dialect,
        outputs: executor.outputPath,
        ranks: environment.worldSize,
        parameters: layout.parameters.reduce((sum, { length }) => sum + length, 0),
        layers: config.layers,
        width: config.width,
        vocabularySize: config.vocabularySize,
        trainTokens: dataset.train.tokens,
        validationTokens: dataset.validation.tokens,
        bigramLoss: dataset.bigramLoss,
        batchTokens: plan.globalSequences * plan.time,
        steps: plan.steps,
        resumedFromStep: resumed?.step ?? 0,
      },
    });
  }

  async #reportProgress(outcome: StepOutcome, stepSeconds: number): Promise<void> {
    const { plan, sampler } = this.#session;
    await this.#reports.write({
      type: 'progress',
      step: outcome.step,
      totalSteps: plan.steps,
      loss: outcome.loss,
      tokensPerSecond: Math.round((plan.globalSequences * plan.time) / stepSeconds),
      etaSeconds: Math.round((plan.steps - outcome.step) * stepSeconds),
      learningRate: outcome.learningRate,
      epoch: sampler.epochOf(outcome.step * plan.globalSequences - 1),
    });
  }

  async #look(step: number): Promise<void> {
    const { plan, dataset } = this.#session;
    const loss = await validationLoss(this.#validator, this.#heldOut, this.#batchShape(), trendSequences);
    if (loss !== undefined) {
      await this.#reports.write({
        type: 'metric',
        step,
        values: { validationLoss: loss, bigramLoss: dataset.bigramLoss },
      });
    }
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
