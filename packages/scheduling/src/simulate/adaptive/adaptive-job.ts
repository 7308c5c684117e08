/**
 * A training job of the Pollux experiment under way: what it has reached, where it runs and with
 * which batch. Time passes for it in whole rounds; an epoch may end within one (to the second).
 */
import { type Application, type GradientStats, stepGain } from './application.ts';

/** Every new placement starts with this. */
export const RESTART_SECONDS = 30;

export interface AdaptiveSpec {
  name: string;
  submittedAt: number;
  application: Application;
  /** As the user asked for; adaptive policies choose their own. */
  replicas: number;
  batch: number;
}

export interface BatchChoice {
  localBatch: number;
  accumulationSteps: number;
}

/** What the job itself would measure while it runs. */
export interface Observation {
  placement: readonly number[];
  localBatch: number;
  stepSeconds: number;
  syncSeconds: number;
}

export class AdaptiveJob {
  readonly spec: AdaptiveSpec;
  epoch = 0;
  progress = 0;
  attainedSeconds = 0;
  restarts = -1;
  restartLeft = 0;
  /** Devices on each node it has any on. */
  placement: readonly number[] = [];
  choice: BatchChoice = { localBatch: 0, accumulationSteps: 0 };
  completedAt: number | null = null;
  /** Newest first is not promised; one for each kind of step that has been run. */
  readonly observations = new Map<string, Observation>();
  /** Of the epoch it was last in; null before the first step. */
  noise: GradientStats | null = null;
  /** The largest number of replicas it has run with. */
  largestRun = 0;

  constructor(spec: AdaptiveSpec) {
    this.spec = spec;
  }

  get replicas(): number {
    return this.placement.reduce((sum, count) => sum + count, 0);
  }

  /** `choose` picks the batch for a placement; asked again whenever an epoch ends. */
  reallocate(placement: readonly number[], choose: (job: AdaptiveJob) => BatchChoice): void {
    this.placement = placement;
    if (placement.length === 0) return;
    this.choice = choose(this);
    this.restartLeft = RESTART_SECONDS;
    this.restarts++;
    this.largestRun = Math.max(this.largestRun, this.replicas);
  }

  step(from: number, seconds: number, choose: (job: AdaptiveJob) => BatchChoice): void {
    const { replicas } = this;
    if (replicas === 0 || this.completedAt !== null) return;
    this.attainedSeconds += Math.min(this.restartLeft, seconds) * replicas;
    let left = Math.max(0, seconds - this.restartLeft);
    this.restartLeft = Math.max(0, this.restartLeft - seconds);
    while (left > 0) {
      const goodput = this.#observe();
      const target = this.spec.application.progressAfter(this.epoch + 1);
      const endsEpoch = this.progress + goodput * left >= target;
      const elapsed = endsEpoch ? Math.min(left, Math.round((target - this.progress) / goodput)) : left;
      this.progress = endsEpoch ? target : this.progress + goodput * left;
      this.attainedSeconds += elapsed * replicas;
      left -= elapsed;
      if (!endsEpoch) continue;
      this.epoch++;
      if (this.epoch >= this.spec.application.epochs) {
        this.completedAt = from + seconds - left;
        return;
      }
      this.choice = choose(this);
    }
  }

  /** Progress a second as it truly is; what the job would see of it is noted. */
  #observe(): number {
    const { application } = this.spec;
    const { localBatch, accumulationSteps } = this.choice;
    const batch = this.replicas * localBatch * (accumulationSteps + 1);
    const { stepSeconds, syncSeconds } = application.stepTime(this.placement, localBatch);
    const noise = application.gradientStats(batch, this.epoch);
    this.noise = noise;
    this.observations.set(`${this.placement.length} ${this.replicas} ${localBatch}`, {
      placement: this.placement,
      localBatch,
      stepSeconds,
      syncSeconds,
    });
    const seconds = stepSeconds + accumulationSteps * (stepSeconds - syncSeconds);
    return stepGain(noise, batch / application.initBatch) / seconds;
  }
}

/** The user's batch on this many replicas, accumulated where a device cannot hold its part. */
export function fixedBatch(application: Application, batch: number, replicas: number): BatchChoice {
  const part = Math.ceil(batch / replicas - 1e-8);
  let accumulationSteps = Math.ceil(part / application.maxLocalBatch - 1e-8) - 1;
  // One replica needs two micro-batches to measure the noise of its gradient.
  if (replicas === 1 && batch > application.initBatch) accumulationSteps = Math.max(1, accumulationSteps);
  const count = replicas * (accumulationSteps + 1);
  return {
    localBatch: Math.min(
      Math.ceil(part / (accumulationSteps + 1) - 1e-8),
      Math.floor(application.maxBatch / count),
    ),
    accumulationSteps,
  };
}
