/**
 * BPE over bytes, or over characters with bytes for those that have no token: any text is encoded without an unknown
 * token, and decoding gives the same bytes back.
 * Encoding applies the learnt merges inside each piece that the text is cut into.
 */
import { FormatError, parseTokenizerJson, toTokenizerJson, type BpeVocabulary } from '@gantry/formats';
import { cutAtNames } from './added-tokens.ts';
import { type FindMerge, type Merge, mergeSymbols } from './merge-symbols.ts';
import { type BeforeText, symbolsOf } from './text-symbols.ts';

export const endOfText = '<|endoftext|>';

export interface EncodeOptions {
  /** Names of special tokens are those tokens. Absent they are text, so data cannot forge an end of document. */
  readonly hasSpecials?: boolean;
  /** Other text comes before: no space is put before this one. */
  readonly isContinued?: boolean;
}

export interface Tokenizer {
  /** `startId` is left to the caller, who knows where a text begins. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * Special tokens are left out; bytes that are no UTF-8 become U+FFFD. `isContinued`: other tokens come before these,
   * so that a space at the beginning is one that was meant.
   */
  decode(ids: readonly number[], isContinued?: boolean): string;
  /** What a model expects before a text that begins a sequence (`post_processor`); most of ours expect nothing. */
  readonly startId: number | undefined;
  readonly vocabularySize: number;
  /** End of text, also the separator of documents and the first token of a sequence. */
  readonly eosId: number;
  readonly vocabulary: BpeVocabulary;
  /** The Hugging Face `tokenizer.json` as an object. */
  toJson(): Record<string, unknown>;
}

const encoder = new TextEncoder();
/** Encodings of pieces remembered per tokenizer; natural text repeats a few thousand of them. */
const rememberedPieces = 65_536;

export function createTokenizer(vocabulary: BpeVocabulary): Tokenizer {
  const idByToken = new Map(vocabulary.tokens.map((token, id) => [token, id]));
  const specials = new Set(vocabulary.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  const eos =
    vocabulary.addedTokens.find(({ content }) => content === endOfText) ?? vocabulary.addedTokens[0];
  if (eos === undefined) throw new Error('a tokenizer needs an end-of-text token');
  const added = new Map(vocabulary.addedTokens.map(({ id, content }) => [id, content]));
  const cut = {
    text: cutAtNames(vocabulary.addedTokens.filter(({ special }) => !special)),
    all: cutAtNames(vocabulary.addedTokens),
  };
  const text = symbolsOf(vocabulary, idByToken, eos.id);
  const size = vocabulary.tokens.length;
  /** left * size + right → what they become; size² stays below 2^53. */
  const merges = new Map<number, Merge>();
  for (const [rank, [left, right]] of vocabulary.merges.entries()) {
    const key = (idByToken.get(left) ?? 0) * size + (idByToken.get(right) ?? 0);
    merges.set(key, { rank, id: idByToken.get(left + right) ?? 0 });
  }
  const find: FindMerge = (left, right) => merges.get(left * size + right);
  const remembered = new Map<string, readonly number[]>();

  const encodePiece = (piece: string): readonly number[] => {
    const known = remembered.get(piece);
    if (known !== undefined) return known;
    const ids = mergeSymbols(text.symbols(piece), find);
    if (remembered.size < rememberedPieces && piece.length <= 64) remembered.set(piece, ids);
    return ids;
  };

  return {
    encode: (words, { hasSpecials = false, isContinued = false } = {}) => {
      const ids: number[] = [];
      let before: BeforeText = isContinued ? 'text' : 'nothing';
      for (const part of hasSpecials ? cut.all(words) : cut.text(words)) {
        if ('id' in part) ids.push(part.id);
        else
          for (const piece of text.pieces(part.text, before))
            for (const id of encodePiece(piece)) ids.push(id);
        before = 'token';
      }
      return ids;
    },
    decode: (ids, isContinued = false) => {
      const bytes: number[] = [];
      for (const id of ids) {
        const token = vocabulary.tokens[id];
        if (token === undefined) throw new RangeError(`token ${id} is not in the vocabulary of ${size}`);
        if (specials.has(id)) continue;
        const name = added.get(id);
        for (const byte of name === undefined ? text.bytes(token) : encoder.encode(name)) bytes.push(byte);
      }
      const words = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      return isContinued ? words : text.restored(words);
    },
    startId: vocabulary.startId,
    vocabularySize: size,
    eosId: eos.id,
    vocabulary,
    toJson: () => toTokenizerJson(vocabulary),
  };
}

/** The same text tokens, and one more behind them that stands for what is hidden. */
export function withMaskToken({ vocabulary }: Tokenizer): Tokenizer {
  const content = '<|mask|>';
  return createTokenizer({
    ...vocabulary,
    tokens: [...vocabulary.tokens, content],
    addedTokens: [...vocabulary.addedTokens, { id: vocabulary.tokens.length, content, special: true }],
  });
}

export function tokenizerFromJson(json: unknown): Tokenizer {
  const vocabulary = parseTokenizerJson(json);
  if (vocabulary.addedTokens.length === 0)
    throw new FormatError(
      'format_unsupported',
      'tokenizer.json names no token that ends a text.',
      'List it under added_tokens.',
    );
  return createTokenizer(vocabulary);
}
