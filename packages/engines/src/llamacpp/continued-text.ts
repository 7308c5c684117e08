/**
 * Tokens of a text that goes on from another. A SentencePiece vocabulary puts a space before every text that llama.cpp
 * is given, and node-llama-cpp's way round that does not hold where names of special tokens are read: it puts a special
 * token before the text, behind which llama.cpp puts a space again.
 */
import type { LlamaModel } from 'node-llama-cpp';

/** A noncharacter: no vocabulary has it, so it is written in bytes, which merge with nothing behind them. */
const mark = '\uFDD0';

export function tokenizeContinued(model: LlamaModel, text: string, hasSpecials: boolean): number[] {
  if (model.fileInfo.metadata.tokenizer.ggml.model !== 'llama') return model.tokenize(text, hasSpecials);
  const before: readonly number[] = model.tokenize(mark, hasSpecials);
  const tokens: readonly number[] = model.tokenize(mark + text, hasSpecials);
  return before.every((token, at) => tokens[at] === token)
    ? tokens.slice(before.length)
    : model.tokenize(text, hasSpecials, 'trimLeadingSpace');
}
