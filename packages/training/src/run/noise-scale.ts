/**
 * The simple noise scale B = tr(Σ) / |G|² (McCandlish et al. 2018, §2.2 and appendix A.1): a batch much smaller
 * wastes steps, one much larger wastes data. Estimated from squared norms of gradients of two batch sizes, that of
 * a data-parallel rank and that of all; both parts are averaged over steps before they are divided, for each alone
 * is noisy and their ratio biased.
 */
const decay = 0.95;

/** Both parts as they are averaged so far, and how much of the average's weight they have. */
export interface NoiseState {
  readonly noise: number;
  readonly signal: number;
  readonly weight: number;
}

export class NoiseScale {
  readonly #smallBatch: number;
  readonly #largeBatch: number;
  #noise: number;
  #signal: number;
  #weight: number;

  /** Sequences of a rank and of all ranks; what an earlier attempt had averaged. */
  constructor(
    smallBatch: number,
    largeBatch: number,
    { noise, signal, weight }: NoiseState = { noise: 0, signal: 0, weight: 0 },
  ) {
    if (!(smallBatch < largeBatch)) throw new RangeError('the noise scale needs two batch sizes');
    this.#smallBatch = smallBatch;
    this.#largeBatch = largeBatch;
    this.#noise = noise;
    this.#signal = signal;
    this.#weight = weight;
  }

  get state(): NoiseState {
    return { noise: this.#noise, signal: this.#signal, weight: this.#weight };
  }

  /**
   * Mean squared norm of the ranks' gradients, squared norm of their mean, each over so many batches → sequences;
   * undefined while it says nothing.
   */
  add(smallSquaredNorm: number, largeSquaredNorm: number, batches = 1): number | undefined {
    const [small, large] = [this.#smallBatch * batches, this.#largeBatch * batches];
    const signal = (large * largeSquaredNorm - small * smallSquaredNorm) / (large - small);
    const noise = (smallSquaredNorm - largeSquaredNorm) / (1 / small - 1 / large);
    if (!Number.isFinite(signal) || !Number.isFinite(noise)) return undefined;
    this.#signal = this.#signal * decay + signal * (1 - decay);
    this.#noise = this.#noise * decay + noise * (1 - decay);
    this.#weight = this.#weight * decay + (1 - decay);
    // A third of the average's weight: about eight steps.
    if (this.#weight < 0.33 || this.#signal <= 0 || this.#noise <= 0) return undefined;
    return this.#noise / this.#signal;
  }
}
