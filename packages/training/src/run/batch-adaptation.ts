/**
 * A batch that grows with the noise of its gradients: at the noise scale half of what a larger batch could save in
 * steps is saved, at half of what it costs in data (McCandlish et al. 2018, §2.3). The noise grows while the loss
 * falls, so a batch that was right at first is too small later. It doubles, and never shrinks.
 */
export interface BatchAdaptationState {
  /** So many of the job's batches make a step. */
  readonly batches: number;
  /** Since it last grew. */
  readonly steps: number;
}

/** The estimate is of the last twenty steps or so: after a change it needs that long to be of the new ones. */
const settleSteps = 20;

export class BatchAdaptation {
  readonly #mostBatches: number;
  #state: BatchAdaptationState;

  constructor(mostBatches: number, before: BatchAdaptationState = { batches: 1, steps: 0 }) {
    this.#mostBatches = mostBatches;
    this.#state = before;
  }

  get state(): BatchAdaptationState {
    return this.#state;
  }

  /** After a step: the noise scale and one batch of the job, in sequences. */
  after(noiseScale: number | undefined, batchSequences: number): void {
    const { batches } = this.#state;
    const steps = this.#state.steps + 1;
    const wouldFit = 2 * batches <= this.#mostBatches;
    const isNoisy = noiseScale !== undefined && noiseScale >= 2 * batches * batchSequences;
    const grows = wouldFit && isNoisy && steps >= settleSteps;
    this.#state = grows ? { batches: 2 * batches, steps: 0 } : { batches, steps };
  }
}

/**
 * How much longer a step may be with so many batches: as many times for SGD (Goyal et al. 2017, §2.1), the root of it
 * where steps do not grow with the gradient (Malladi et al. 2022).
 */
export function learningRateFactor(optimizer: string, batches: number): number {
  return optimizer === 'sgd' ? batches : Math.sqrt(batches);
}
