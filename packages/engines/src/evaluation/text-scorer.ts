/** A language model as far as held-out text is concerned: it cuts text into tokens and says how likely each was. */
import type { TokenScore } from '../llm-engine.ts';

export interface ScorerSize {
  readonly contextTokens: number;
  readonly threads: number;
}

export interface TextScorer extends AsyncDisposable {
  /** The model's own, or what was asked for where that is less. */
  readonly contextTokens: number;
  /** Put before every text. */
  readonly bosToken: number | undefined;
  tokenize(text: string): number[];
  /** Of each token, with as many alternatives as keep all of them under `mostScores`. */
  score(prompt: readonly number[], mostScores: number): Promise<readonly TokenScore[]>;
}

export const alternatives = (vocabularySize: number, prompt: readonly number[], mostScores: number): number =>
  Math.min(vocabularySize, Math.floor(mostScores / Math.max(1, prompt.length)));
