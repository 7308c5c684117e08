/**
 * Hugging Face `tokenizer.json` of a byte-level BPE: the part that we write and read. Token strings are
 * in GPT-2's byte alphabet; merges are "left right" strings in rank order (accepted by every version of
 * the `tokenizers` library).
 */
import { FormatError } from '../format-error.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

export interface BpeVocabulary {
  /** id → token string; dense from 0. */
  readonly tokens: readonly string[];
  /** In rank order: an earlier merge is applied first. */
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly addedTokens: readonly AddedToken[];
}

const limits = { tokens: 4_000_000, tokenLength: 4_096 } as const;

export function toTokenizerJson(vocabulary: BpeVocabulary): Record<string, unknown> {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: vocabulary.addedTokens.map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])),
      merges: vocabulary.merges.map(([left, right]) => `${left} ${right}`),
    },
  };
}

export function parseTokenizerJson(json: unknown): BpeVocabulary {
  const file = asRecord(json, 'tokenizer.json');
  const model = asRecord(file['model'], 'model');
  if (model['type'] !== 'BPE') {
    throw new FormatError(
      'format_unsupported',
      `The tokenizer's model is ${JSON.stringify(model['type'])}.`,
      'Only byte-level BPE tokenizers can be read.',
    );
  }
  const vocab = Object.entries(asRecord(model['vocab'], 'model.vocab'));
  const addedTokens = asArray(file['added_tokens'] ?? [], 'added_tokens').map((entry, index): AddedToken => {
    const { id, content, special } = asRecord(entry, `added_tokens[${index}]`);
    if (!isId(id) || typeof content !== 'string') invalid(`added_tokens[${index}] has no id and content`);
    return { id, content, special: special === true };
  });
  const tokens: string[] = [];
  const place = (token: string, id: unknown): void => {
    if (!isId(id) || token.length > limits.tokenLength)
      invalid(`token ${JSON.stringify(token.slice(0, 40))}`);
    const there = tokens[id];
    if (there !== undefined && there !== token) invalid(`id ${id} is given twice`);
    tokens[id] = token;
  };
  for (const [token, id] of vocab) place(token, id);
  for (const { content, id } of addedTokens) place(content, id);
  if (tokens.length > vocab.length + addedTokens.length) invalid('ids are not dense');
  for (let id = 0; id < tokens.length; id += 1) if (tokens[id] === undefined) invalid(`id ${id} is missing`);
  const known = new Set(tokens);
  const merges = asArray(model['merges'], 'model.merges').map((entry, rank): readonly [string, string] => {
    const pair: unknown = typeof entry === 'string' ? entry.split(' ') : entry;
    if (!Array.isArray(pair) || pair.length !== 2) invalid(`merges[${rank}] is not a pair`);
    const [left, right] = pair as unknown[];
    if (typeof left !== 'string' || typeof right !== 'string') invalid(`merges[${rank}] is not a pair`);
    if (!known.has(left) || !known.has(right) || !known.has(left + right)) {
      invalid(`merges[${rank}] names a token that is not in the vocabulary`);
    }
    return [left, right];
  });
  return { tokens, merges, addedTokens };
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < limits.tokens;
}

function invalid(what: string): never {
  throw new FormatError('format_invalid', `The tokenizer file is not usable: ${what}.`);
}

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    invalid(`${name} is not an object`);
  return value as Record<string, unknown>;
}

function asArray(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) invalid(`${name} is not a list`);
  return value as unknown[];
}
