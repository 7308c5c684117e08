/** What fills a shard with the gradients of one global batch. */
export interface GradientSource extends AsyncDisposable {
  /**
   * The share of the batch that begins at `position` of the whole order; answers this rank's part of the mean
   * loss. Loss and gradients come multiplied by `lossScale`.
   */
  compute(position: number, lossScale: number): Promise<number>;
  /** The parameters have changed. */
  afterUpdate(): void;
}
