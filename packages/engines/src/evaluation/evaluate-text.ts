/**
 * How well a language model foretells held-out text, and how near it is to its source: the log probabilities of every
 * token of a window under both, over the whole vocabulary where that is small enough to be told (else the likeliest
 * thousands, and the rest as one).
 */
import { TextTally, type ScoredToken, type TextMeasured } from '@gantry/conversion';
import { EngineError } from '../engine-error.ts';
import type { TokenScore } from '../llm-engine.ts';
import { type EvaluatedModel, openScorer } from './open-scorer.ts';
import type { TextScorer } from './text-scorer.ts';

export interface TextEvaluation {
  readonly candidate: EvaluatedModel;
  readonly source?: EvaluatedModel;
  readonly text: string;
  /** Characters that are scored together. */
  readonly window: number;
  readonly threads: number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** Log probabilities that one window may give: what fits into memory. */
const mostScores = 4_000_000;

export async function evaluateText(options: TextEvaluation): Promise<TextMeasured> {
  const { candidate, source, text, window } = options;
  // No tokenizer gives more tokens than bytes; a token may stand before them.
  const size = { contextTokens: Math.min(4_096, 4 * window + 8), threads: options.threads };
  await using mine = await openScorer(candidate, size);
  await using theirs = source === undefined ? undefined : await openScorer(source, size);
  const tally = new TextTally<number>();
  const windows = Math.ceil(text.length / window);
  // A window that fills more than the smaller context is scored in pieces, each begun as a text is; room for an
  // answer's first token stays.
  const start = mine.bosToken === undefined ? [] : [mine.bosToken];
  const most = Math.min(mine.contextTokens, theirs?.contextTokens ?? Infinity) - 1 - start.length;
  let scored = 0;
  for (let at = 0; at < windows; at += 1) {
    const piece = text.slice(at * window, (at + 1) * window);
    const tokens = mine.tokenize(piece);
    if (theirs !== undefined && cutOf(theirs, piece) !== cutOf(mine, piece))
      throw new EngineError('unsupported', 'The two models cut text into different tokens.', {
        hint: 'Only models with one tokenizer can be compared token by token.',
      });
    for (let from = 0; from < tokens.length; from += most) {
      const prompt = [...start, ...tokens.slice(from, from + most)];
      const scores = await mine.score(prompt, mostScores);
      const sources = await theirs?.score(prompt, mostScores);
      for (const [index, each] of scores.entries()) {
        const one = toScored(each);
        const other = sources?.[index];
        if (one === undefined) continue;
        scored += 1;
        tally.add(one, other === undefined ? undefined : toScored(other));
      }
    }
    options.onProgress?.(at + 1, windows);
  }
  if (scored === 0) throw new EngineError('invalid_value', 'The text is too short to score.');
  return tally.measured;
}

const cutOf = (scorer: TextScorer, text: string): string =>
  [scorer.bosToken, ...scorer.tokenize(text)].join();

function toScored({ logprob, top }: TokenScore): ScoredToken<number> | undefined {
  if (logprob === null) return undefined;
  return { logprob, top: new Map(top.map((each) => [each.token, each.logprob])) };
}
