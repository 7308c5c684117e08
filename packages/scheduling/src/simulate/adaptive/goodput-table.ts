/** The best batch, and the progress a second that it gives, for every size of a job. */
import type { AdaptiveJob, BatchChoice } from './adaptive-job.ts';
import type { AdaptiveCluster } from './adaptive-policy.ts';
import { type Application, stepGain } from './application.ts';
import { ThroughputModel } from './throughput-model.ts';

export interface BestBatch {
  goodput: number;
  choice: BatchChoice;
}

/** Batches between the smallest and the largest that are tried, evenly spaced in their logarithm. */
const TRIED = 40;

export class GoodputTable {
  readonly #devices: number;
  /** Jobs of one application learn from each other. */
  readonly #models = new Map<string, ThroughputModel>();
  readonly #known = new Map<AdaptiveJob, { key: string; best: Map<string, BestBatch> }>();

  constructor(cluster: AdaptiveCluster) {
    this.#devices = cluster.nodes * cluster.devicesPerNode;
  }

  best(job: AdaptiveJob, nodes: number, replicas: number): BestBatch {
    const model = this.#modelOf(job);
    const key = `${job.epoch} ${model.version} ${job.noise?.squared}`;
    let known = this.#known.get(job);
    if (known?.key !== key) {
      known = { key, best: new Map() };
      this.#known.set(job, known);
    }
    const at = `${nodes} ${replicas}`;
    let found = known.best.get(at);
    if (found === undefined) {
      found = compute(job, model, nodes, replicas);
      known.best.set(at, found);
    }
    return found;
  }

  /** At most twice what any job of this application has run with: what lies beyond is unknown. */
  largest(job: AdaptiveJob): number {
    const { application } = job.spec;
    if (application.fixedBatch !== undefined) return 1;
    const seen = Math.max(job.largestRun, this.#modelOf(job).largestRun);
    return Math.min(
      Math.max(2 * seen, 1),
      this.#devices,
      Math.floor(application.maxBatch / application.minLocalBatch),
    );
  }

  #modelOf(job: AdaptiveJob): ThroughputModel {
    const { name } = job.spec.application;
    let model = this.#models.get(name);
    if (model === undefined) {
      model = new ThroughputModel();
      this.#models.set(name, model);
    }
    model.learn(job.observations);
    return model;
  }
}

function compute(job: AdaptiveJob, model: ThroughputModel, nodes: number, replicas: number): BestBatch {
  const { application } = job.spec;
  const { noise } = job;
  if (noise === null) return { goodput: 1, choice: firstBatch(application, replicas) };
  let best: BestBatch = { goodput: 1e-9, choice: firstBatch(application, replicas) };
  for (const choice of batches(application, replicas)) {
    const { localBatch, accumulationSteps } = choice;
    const { stepSeconds, syncSeconds } = model.stepTime(nodes, replicas, localBatch);
    const batch = replicas * localBatch * (accumulationSteps + 1);
    const seconds = stepSeconds + accumulationSteps * (stepSeconds - syncSeconds);
    const goodput = stepGain(noise, batch / application.initBatch) / seconds;
    if (goodput > best.goodput) best = { goodput, choice };
  }
  return best;
}

/** Before anything was measured: the initial batch, shared out. */
function firstBatch(application: Application, replicas: number): BatchChoice {
  const part = Math.max(application.minLocalBatch, Math.ceil(application.initBatch / replicas));
  return {
    localBatch: application.fixedBatch ?? Math.min(part, application.maxLocalBatch),
    accumulationSteps: 0,
  };
}

function* batches(application: Application, replicas: number): Generator<BatchChoice> {
  const { initBatch, minLocalBatch, maxLocalBatch, maxBatch, fixedBatch } = application;
  if (fixedBatch !== undefined) {
    yield { localBatch: fixedBatch, accumulationSteps: 0 };
    return;
  }
  const least = Math.max(initBatch, minLocalBatch * replicas);
  if (least > maxBatch) return;
  for (let at = 0; at <= TRIED; at++) {
    const batch = least * (maxBatch / least) ** (at / TRIED);
    const part = Math.ceil(batch / replicas - 1e-8);
    let accumulationSteps = Math.ceil(part / maxLocalBatch - 1e-8) - 1;
    // One replica needs two micro-batches to measure the noise of its gradient.
    if (replicas === 1 && batch > initBatch) accumulationSteps = Math.max(1, accumulationSteps);
    const count = replicas * (accumulationSteps + 1);
    const localBatch = Math.min(
      Math.ceil(part / (accumulationSteps + 1) - 1e-8),
      Math.floor(maxBatch / count),
    );
    if (localBatch >= minLocalBatch) yield { localBatch, accumulationSteps };
  }
}
