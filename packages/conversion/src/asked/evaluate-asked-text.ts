/**
 * How well a served language model foretells held-out text, and how near it is to its source. Where both servers tell
 * the log probabilities of a prompt (`echo`), every token counts; where one does not (llama-server), both are asked at
 * places of the text for what comes next. Either way only the 20 likeliest tokens are known, and all others as one:
 * the divergence is a lower bound of the whole vocabulary's.
 */
import { type TextMeasured, TextTally } from '../accuracy/text-tally.ts';
import { type AskedModel, answersInOrder, EvaluationError } from './asked-model.ts';
import { type SaidToken, scoreNext, scorePrompt } from './completion-scores.ts';
import { actualToken, placesIn } from './next-token.ts';

export interface AskedText {
  readonly candidate: AskedModel;
  readonly source?: AskedModel | undefined;
  readonly text: string;
  /** Characters that are scored together, or that stand before a place. */
  readonly window: number;
  /** Places at which a server is asked that does not score prompts. */
  readonly places: number;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

export async function evaluateAskedText(wish: AskedText): Promise<TextMeasured> {
  const { candidate, source, text, window } = wish;
  const probe = text.slice(0, Math.min(window, 64));
  const scored = [await scorePrompt(candidate, probe), source && (await scorePrompt(source, probe))];
  const isScoring = scored[0] !== undefined && (source === undefined || scored[1] !== undefined);
  const tally = new TextTally<string>();
  await (isScoring ? tallyPrompts(wish, tally) : tallyPlaces(wish, tally));
  if (tally.count === 0) throw new EvaluationError('data_invalid', 'the text is too short to score');
  return tally.measured;
}

async function tallyPrompts(
  { candidate, source, text, window, onProgress }: AskedText,
  tally: TextTally<string>,
): Promise<void> {
  const pieces = Array.from({ length: Math.ceil(text.length / window) }, (_, index) =>
    text.slice(index * window, (index + 1) * window),
  );
  const score = (piece: string) =>
    Promise.all([scoreAll(candidate, piece), source === undefined ? undefined : scoreAll(source, piece)]);
  let done = 0;
  for await (const [, [mine, theirs]] of answersInOrder(pieces, score)) {
    if (theirs !== undefined && cutOf(theirs) !== cutOf(mine))
      throw new EvaluationError(
        'not_possible',
        `${candidate.name} and ${source?.name} cut text into different tokens`,
        'only models with one tokenizer can be compared token by token',
      );
    for (const [at, token] of mine.entries()) tally.add(token, theirs?.[at]);
    onProgress?.((done += 1), pieces.length);
  }
}

async function scoreAll(asked: AskedModel, piece: string): Promise<readonly SaidToken[]> {
  const scores = await scorePrompt(asked, piece);
  if (scores !== undefined) return scores;
  throw new EvaluationError('endpoint_failed', `${asked.name} stopped scoring prompts`);
}

const cutOf = (tokens: readonly SaidToken[]): string => tokens.map(({ token }) => token).join('\0');

async function tallyPlaces(
  { candidate, source, text, window, places, onProgress }: AskedText,
  tally: TextTally<string>,
): Promise<void> {
  const ends = placesIn(text, places);
  const ask = (end: number) => {
    const prompt = text.slice(Math.max(0, end - window), end);
    return Promise.all([
      nextOf(candidate, prompt),
      source === undefined ? undefined : nextOf(source, prompt),
    ]);
  };
  let done = 0;
  for await (const [end, [mine, theirs]] of answersInOrder(ends, ask)) {
    const came = text.slice(end);
    const actual = actualToken(theirs ?? mine, came);
    tally.add({ logprob: actual(mine), top: mine }, theirs && { logprob: actual(theirs), top: theirs });
    onProgress?.((done += 1), ends.length);
  }
}

async function nextOf(asked: AskedModel, prompt: string): Promise<ReadonlyMap<string, number>> {
  const top = await scoreNext(asked, prompt);
  if (top !== undefined) return top;
  throw new EvaluationError(
    'not_possible',
    `${asked.name} reports no log probabilities`,
    'judge it by tasks: a .jsonl of {"prompt": …, "answer": …}',
  );
}
