/**
 * BPE over bytes, or over characters with bytes for those that have no token: any text is encoded without an unknown
 * token, and decoding gives the same bytes back.
 * Encoding applies the learnt merges in rank order inside each pre-token (Sennrich et al. 2016, §3.2).
 */
import { parseTokenizerJson, toTokenizerJson, type BpeVocabulary } from '@gantry/formats';
import { symbolsOf } from './text-symbols.ts';

export const endOfText = '<|endoftext|>';

export interface Tokenizer {
  /** Plain text: a special token's name in it is text, so data cannot forge an end of document. */
  encode(text: string): number[];
  /** Special tokens are left out; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[]): string;
  readonly vocabularySize: number;
  /** End of text, also the separator of documents and the first token of a sequence. */
  readonly eosId: number;
  readonly vocabulary: BpeVocabulary;
  /** The Hugging Face `tokenizer.json` as an object. */
  toJson(): Record<string, unknown>;
}

/** Encodings of pieces remembered per tokenizer; natural text repeats a few thousand of them. */
const rememberedPieces = 65_536;

export function createTokenizer(vocabulary: BpeVocabulary): Tokenizer {
  const idByToken = new Map(vocabulary.tokens.map((token, id) => [token, id]));
  const specials = new Set(vocabulary.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  const eos =
    vocabulary.addedTokens.find(({ content }) => content === endOfText) ?? vocabulary.addedTokens[0];
  if (eos === undefined) throw new Error('a tokenizer needs an end-of-text token');
  const text = symbolsOf(vocabulary, idByToken, eos.id);
  const size = vocabulary.tokens.length;
  /** left * size + right → rank and merged id; size² stays below 2^53. */
  const merges = new Map<number, { readonly rank: number; readonly id: number }>();
  for (const [rank, [left, right]] of vocabulary.merges.entries()) {
    const key = (idByToken.get(left) ?? 0) * size + (idByToken.get(right) ?? 0);
    merges.set(key, { rank, id: idByToken.get(left + right) ?? 0 });
  }
  const remembered = new Map<string, readonly number[]>();

  const encodePiece = (piece: string): readonly number[] => {
    const known = remembered.get(piece);
    if (known !== undefined) return known;
    const ids = text.symbols(piece);
    for (;;) {
      let best: { readonly rank: number; readonly id: number } | undefined;
      let bestLeft = 0;
      for (let index = 0; index + 1 < ids.length; index += 1) {
        const merge = merges.get((ids[index] as number) * size + (ids[index + 1] as number));
        if (merge !== undefined && (best === undefined || merge.rank < best.rank)) {
          best = merge;
          bestLeft = index;
        }
      }
      if (best === undefined) break;
      ids.splice(bestLeft, 2, best.id);
    }
    if (remembered.size < rememberedPieces && piece.length <= 64) remembered.set(piece, ids);
    return ids;
  };

  return {
    encode: (words) => {
      const ids: number[] = [];
      for (const piece of text.pieces(words)) for (const id of encodePiece(piece)) ids.push(id);
      return ids;
    },
    decode: (ids) => {
      const bytes: number[] = [];
      for (const id of ids) {
        const token = vocabulary.tokens[id];
        if (token === undefined) throw new RangeError(`token ${id} is not in the vocabulary of ${size}`);
        if (!specials.has(id)) for (const byte of text.bytes(token)) bytes.push(byte);
      }
      return text.restored(new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes)));
    },
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
  return createTokenizer(parseTokenizerJson(json));
}
