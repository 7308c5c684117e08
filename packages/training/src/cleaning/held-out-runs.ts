/**
 * Texts that a model will be examined on must not be among what it learns: a document that shares a run of 13 words
 * with one of them is left out (Brown et al. 2020, appendix C). Texts shorter than a run count as a whole.
 */
import { normalWords, wideHash, wordRuns } from './words.ts';

const runWords = 13;

export class HeldOutRuns {
  readonly #runs = new Set<number>();
  /** Lengths below `runWords` of the short ones. */
  readonly #shortLengths = new Set<number>();

  add(text: string): void {
    const words = normalWords(text);
    if (words.length > 0 && words.length < runWords) this.#shortLengths.add(words.length);
    for (const run of wordRuns(words, runWords)) this.#runs.add(wideHash(run));
  }

  /** The first run of words that is shared. */
  sharedRun(text: string): string | undefined {
    if (this.#runs.size === 0) return undefined;
    const words = normalWords(text);
    for (const size of [runWords, ...this.#shortLengths]) {
      for (const run of wordRuns(words, size)) if (this.#runs.has(wideHash(run))) return run;
    }
    return undefined;
  }
}
