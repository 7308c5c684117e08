/** What a loaded GGUF says of itself that decides how it is stepped and how its texts are read. */
import type { LlamaModel } from 'node-llama-cpp';

export const vocabularySizeOf = ({ fileInfo }: LlamaModel): number =>
  fileInfo.metadata.tokenizer.ggml.tokens.length;

/**
 * Most tokens of one pass. llama.cpp keeps room for the logits of every token of its widest pass, so a large vocabulary
 * pays for it in memory: 512 tokens (llama.cpp's own default) of 65,536 logits are 128 MiB, and so are 256 of twice that.
 */
export const widestPass = (model: LlamaModel): number => (vocabularySizeOf(model) > 65_536 ? 256 : 512);

/** In these each character is in some token; in others a word that is not known, of any length, is one. */
const spellingVocabularies: ReadonlySet<string> = new Set(['gpt2', 'llama']);

/** Characters of the longest token; undefined where one may stand for any number. */
export function longestTokenOf({ fileInfo }: LlamaModel): number | undefined {
  const { model, tokens } = fileInfo.metadata.tokenizer.ggml;
  return spellingVocabularies.has(model)
    ? tokens.reduce((most, token) => Math.max(most, token.length), 1)
    : undefined;
}

/** Of `tokenizer.ggml.token_type`: unknown and control tokens, which a text by itself never becomes. */
const specialTypes: ReadonlySet<number> = new Set([2, 3]);

export function specialTextsOf({ fileInfo }: LlamaModel): readonly string[] {
  const { tokens, token_type: types } = fileInfo.metadata.tokenizer.ggml;
  return tokens.filter((_, id) => specialTypes.has(types[id] ?? 1));
}
