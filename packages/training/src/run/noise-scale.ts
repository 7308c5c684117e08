/**
 * The simple noise scale B = tr(Σ) / |G|² (McCandlish et al. 2018, §2.2 and appendix A.1): a batch much smaller
 * wastes steps, one much larger wastes data. Estimated from squared norms of gradients of two batch sizes, that of
 * a data-parallel rank and that of all; both parts are averaged over steps before they are divided, for each alone
 * is noisy and their ratio biased.
 */
const decay = 0.95;

export class NoiseScale {
  readonly #smallBatch: number;
  readonly #largeBatch: number;
  #noise = 0;
  #signal = 0;
  #weight = 0;

  /** Sequences of a rank and of all ranks. */
  constructor(smallBatch: number, largeBatch: number) {
    if (!(smallBatch < largeBatch)) throw new RangeError('the noise scale needs two batch sizes');
    this.#smallBatch = smallBatch;
    this.#largeBatch = largeBatch;
  }

  /** Mean squared norm of the ranks' gradients, squared norm of their mean → sequences; undefined while it says nothing. */
  add(smallSquaredNorm: number, largeSquaredNorm: number): number | undefined {
    const [small, large] = [this.#smallBatch, this.#largeBatch];
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
