/**
 * How well a language model foretells held-out text, and how near it is to its source: the log probabilities of every
 * token of a window under both, over the whole vocabulary where that is small enough to be told (else the likeliest
 * thousands, and the rest as one).
 */
import { TextTally, type ScoredToken, type TextMeasured } from '@gantry/conversion';
import { EngineError } from '../engine-error.ts';
import { createLlmEngine, type LlmDecoder } from '../host/create-llm-engine.ts';
import type { LlmEngine, TokenScore } from '../llm-engine.ts';

export interface EvaluatedModel {
  readonly modelPath: string;
  readonly decoder: LlmDecoder;
}

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
  await using mine = await open(candidate, options);
  await using theirs = source === undefined ? undefined : await open(source, options);
  const tally = new TextTally<number>();
  const windows = Math.ceil(text.length / window);
  // A window that fills more than the smaller context is scored in pieces; room for an answer's first token stays.
  const most = Math.min(mine.contextTokens, theirs?.contextTokens ?? Infinity) - 1;
  let scored = 0;
  for (let at = 0; at < windows; at += 1) {
    const piece = text.slice(at * window, (at + 1) * window);
    const tokens = mine.tokenize(piece);
    if (theirs !== undefined && theirs.tokenize(piece).join() !== tokens.join())
      throw new EngineError('unsupported', 'The two models cut text into different tokens.', {
        hint: 'Only models with one tokenizer can be compared token by token.',
      });
    for (let from = 0; from < tokens.length; from += most) {
      const prompt = tokens.slice(from, from + most);
      const scores = await score(mine, prompt);
      const sources = theirs === undefined ? undefined : await score(theirs, prompt);
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

const open = (
  { modelPath, decoder }: EvaluatedModel,
  { window, threads }: TextEvaluation,
): Promise<LlmEngine> =>
  // No tokenizer gives more tokens than bytes; a token may stand before them.
  createLlmEngine({ modelPath, decoder, threads, slots: 1, contextTokens: Math.min(4_096, 4 * window + 8) });

async function score(engine: LlmEngine, prompt: readonly number[]): Promise<readonly TokenScore[]> {
  const scores: TokenScore[] = [];
  const sampling = { temperature: 0, topP: 1, seed: 1 };
  const topLogprobs = Math.min(engine.vocabularySize, Math.floor(mostScores / Math.max(1, prompt.length)));
  const request = { prompt, maxTokens: 0, sampling, topLogprobs, hasPromptLogprobs: true };
  for await (const event of engine.generate(request))
    if (event.type === 'prompt') scores.push(...event.scores);
  return scores;
}

function toScored({ logprob, top }: TokenScore): ScoredToken<number> | undefined {
  if (logprob === null) return undefined;
  return { logprob, top: new Map(top.map((each) => [each.token, each.logprob])) };
}
