/** Answers of a classifier, row by row: how often it is right where that is known, and how near it is to its source. */
import { type AccuracyPosition, type AccuracyReport, compareAccuracy } from './accuracy.ts';

export interface RowsMeasured {
  readonly rows: number;
  readonly perplexity: number;
  /** `accuracy`, where rows had labels. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly comparison: AccuracyReport | undefined;
}

export class RowTally {
  readonly #positions: AccuracyPosition[] = [];
  #labelled = 0;
  #right = 0;
  #loss = 0;

  /** Scores of the classes, as probabilities or before a softmax. */
  add(candidate: readonly number[], source: readonly number[] | undefined, label: number | undefined): void {
    const mine = logProbabilities(candidate);
    if (label !== undefined) {
      this.#labelled += 1;
      if (likeliest(mine) === label) this.#right += 1;
      this.#loss -= mine[label] ?? -Infinity;
    }
    if (source === undefined) return;
    if (source.length !== candidate.length)
      throw new RangeError(`the source tells ${source.length} classes apart, not ${candidate.length}`);
    const theirs = logProbabilities(source);
    this.#positions.push({ source: theirs, candidate: mine, actual: label ?? likeliest(theirs) });
  }

  /** Undefined when there was neither a label nor a source. */
  get measured(): RowsMeasured | undefined {
    if (this.#labelled === 0 && this.#positions.length === 0) return undefined;
    const comparison = this.#positions.length === 0 ? undefined : compareAccuracy(this.#positions);
    return {
      rows: Math.max(this.#labelled, this.#positions.length),
      perplexity:
        this.#labelled === 0
          ? (comparison?.candidatePerplexity ?? Infinity)
          : Math.exp(this.#loss / this.#labelled),
      metrics: this.#labelled === 0 ? {} : { accuracy: this.#right / this.#labelled },
      comparison,
    };
  }
}

/** Of probabilities or of scores before a softmax; either way finite. */
function logProbabilities(values: readonly number[]): Float64Array {
  const least = 1e-12;
  const sum = values.reduce((total, value) => total + value, 0);
  if (values.every((value) => value >= 0 && value <= 1) && Math.abs(sum - 1) < 1e-3)
    return Float64Array.from(values, (value) => Math.log(Math.max(least, value)));
  const highest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const rest = Math.log(values.reduce((total, value) => total + Math.exp(value - highest), 0));
  return Float64Array.from(values, (value) => value - highest - rest);
}

const likeliest = (values: Float64Array): number =>
  values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
