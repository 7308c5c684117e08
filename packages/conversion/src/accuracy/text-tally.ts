/** Scores of held-out text, token by token: how well a model foretells it, and how near it is to its source. */
import type { AccuracyReport } from './accuracy.ts';
import { coarseKl } from './coarse-kl.ts';

/** A token that came, and the likeliest in its place with their log probabilities: all of them, where they are known. */
export interface ScoredToken<Token> {
  readonly logprob: number;
  readonly top: ReadonlyMap<Token, number>;
}

export interface TextMeasured {
  readonly tokens: number;
  readonly perplexity: number;
  readonly comparison: AccuracyReport | undefined;
}

export class TextTally<Token> {
  #tokens = 0;
  #loss = 0;
  #compared = 0;
  #sourceLoss = 0;
  #agreements = 0;
  #kl = 0;

  add(candidate: ScoredToken<Token>, source?: ScoredToken<Token>): void {
    this.#tokens += 1;
    this.#loss -= candidate.logprob;
    if (source === undefined) return;
    this.#compared += 1;
    this.#sourceLoss -= source.logprob;
    if (likeliest(candidate.top) === likeliest(source.top)) this.#agreements += 1;
    this.#kl += coarseKl(source.top, candidate.top);
  }

  get count(): number {
    return this.#tokens;
  }

  /** Of at least one token; a source counts only if every token had one. */
  get measured(): TextMeasured {
    const count = this.#tokens;
    if (count === 0) throw new RangeError('nothing was scored');
    const perplexity = Math.exp(this.#loss / count);
    if (this.#compared < count) return { tokens: count, perplexity, comparison: undefined };
    const comparison = {
      positions: count,
      meanKl: this.#kl / count,
      topAgreement: this.#agreements / count,
      sourcePerplexity: Math.exp(this.#sourceLoss / count),
      candidatePerplexity: perplexity,
    };
    return { tokens: count, perplexity, comparison };
  }
}

function likeliest<Token>(top: ReadonlyMap<Token, number>): Token | undefined {
  let best: readonly [Token | undefined, number] = [undefined, -Infinity];
  for (const one of top) if (one[1] > best[1]) best = one;
  return best[0];
}
