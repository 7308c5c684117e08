/**
 * Hugging Face `tokenizer.json` of a BPE: the part that we write and read. Token strings are in GPT-2's byte alphabet,
 * or in SentencePiece's way plain text with U+2581 for a space and `<0x0A>` for a byte; merges are "left right" strings
 * in rank order (accepted by every version of the `tokenizers` library). What would make other tokens of the same text
 * and is not known here is refused.
 */
import { FormatError } from '../format-error.ts';
import { isRecord } from './json-record.ts';
import {
  readSentencePieceSpaces,
  type SentencePieceSpaces,
  writeSentencePieceSpaces,
} from './sentencepiece-form.ts';
import { readTextCut, textCuts, type TextCutName, writeTextCut } from './text-cuts.ts';
import { readStartToken, writeStartToken } from './start-token.ts';

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
  /** How text becomes pieces; as GPT-2's unless given. */
  readonly form?: TextForm;
  /** Put before a text by the tokenizer itself. */
  readonly startId?: number;
}

export type TextForm =
  | {
      readonly kind: 'byte-level';
      readonly cut: TextCutName;
      /** Text is brought to Unicode's normal form C first. */
      readonly isComposed: boolean;
    }
  | {
      readonly kind: 'sentencepiece';
      readonly spaceBefore: SentencePieceSpaces;
      readonly unknownId: number | undefined;
    };

export const gpt2Text = { kind: 'byte-level', cut: 'gpt-2', isComposed: false } as const satisfies TextForm;

const limits = { tokens: 4_000_000, tokenLength: 4_096 } as const;

export function toTokenizerJson(vocabulary: BpeVocabulary): Record<string, unknown> {
  const { form = gpt2Text, startId, tokens } = vocabulary;
  const start = startId === undefined ? undefined : { id: startId, content: tokens[startId] ?? '' };
  const isBytes = form.kind === 'byte-level';
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
    ...(isBytes
      ? { normalizer: form.isComposed ? { type: 'NFC' } : null, pre_tokenizer: writeTextCut(form.cut) }
      : writeSentencePieceSpaces(form.spaceBefore)),
    post_processor: start === undefined ? null : writeStartToken(start),
    ...(isBytes ? { decoder: byteLevel } : {}),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: isBytes || form.unknownId === undefined ? null : (tokens[form.unknownId] ?? null),
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: !isBytes,
      byte_fallback: !isBytes,
      ignore_merges: isBytes && textCuts[form.cut].keepsTokens,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: vocabulary.merges.map(([left, right]) => `${left} ${right}`),
    },
  };
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

export function parseTokenizerJson(json: unknown): BpeVocabulary {
  const file = asRecord(json, 'tokenizer.json');
  const model = asRecord(file['model'], 'model');
  if (model['type'] !== 'BPE') {
    throw new FormatError(
      'format_unsupported',
      `The tokenizer's model is ${JSON.stringify(model['type'])}.`,
      'Only BPE tokenizers can be read.',
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
  const startId = readStartToken(file['post_processor'], (token) => tokens.indexOf(token));
  return {
    tokens,
    merges,
    addedTokens,
    form: readForm(file, model, tokens),
    ...(startId === undefined ? {} : { startId }),
  };
}

function readForm(
  file: Readonly<Record<string, unknown>>,
  model: Readonly<Record<string, unknown>>,
  tokens: readonly string[],
): TextForm {
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'])
    if (!isNothing(model[name])) unknownWay(`model.${name} is ${JSON.stringify(model[name])}`);
  if (model['byte_fallback'] === true) {
    if (model['ignore_merges'] === true) unknownWay('model.ignore_merges goes with byte_fallback');
    const unknownId = tokens.indexOf(model['unk_token'] as string);
    return {
      kind: 'sentencepiece',
      spaceBefore: readSentencePieceSpaces(file),
      unknownId: unknownId === -1 ? undefined : unknownId,
    };
  }
  const cut = readTextCut(file['pre_tokenizer']);
  if ((model['ignore_merges'] === true) !== textCuts[cut].keepsTokens)
    unknownWay(
      `model.ignore_merges is ${JSON.stringify(model['ignore_merges'])} where text is cut as ${cut}'s`,
    );
  return { kind: 'byte-level', cut, isComposed: isComposed(file['normalizer']) };
}

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === 0;

function isComposed(normalizer: unknown): boolean {
  if (normalizer === undefined || normalizer === null) return false;
  const { type, normalizers: steps } = isRecord(normalizer) ? normalizer : {};
  if (type === 'Sequence' && Array.isArray(steps) && steps.length <= 1) return isComposed(steps[0]);
  return type === 'NFC' || unknownWay(`the normalizer is ${JSON.stringify(type)}`);
}

function unknownWay(what: string): never {
  throw new FormatError(
    'format_unsupported',
    `tokenizer.json makes tokens in a way that is not known here: ${what}.`,
    'Its text would become other tokens than the model was trained on.',
  );
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
