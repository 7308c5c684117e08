/** What merges begin with: the pieces of a text, the tokens of a piece's parts, and the bytes that a token stands for. */
import {
  byteCharacters,
  byteOfToken,
  bytesOfToken,
  gpt2Text,
  spaceMark,
  textCuts,
  type BpeVocabulary,
  type TextForm,
} from '@gantry/formats';
import { preTokenise } from './pre-tokenise.ts';

/** A space is put before text that goes on from nothing; that goes on from a token, in some ways. */
export type BeforeText = 'nothing' | 'token' | 'text';

export interface TextSymbols {
  pieces(text: string, before: BeforeText): Iterable<string>;
  /** Before any merge. */
  symbols(piece: string): number[];
  /** Of a token that is not special. */
  bytes(token: string): Iterable<number>;
  /** Of all bytes joined: what stood there before encoding added to it. */
  restored(text: string): string;
}

export function symbolsOf(
  vocabulary: BpeVocabulary,
  idByToken: ReadonlyMap<string, number>,
  otherwise: number,
): TextSymbols {
  const { form = gpt2Text } = vocabulary;
  return form.kind === 'byte-level'
    ? byteLevel(vocabulary, form, idByToken, otherwise)
    : sentencePiece(vocabulary, form, idByToken, otherwise);
}

type Of<Kind extends TextForm['kind']> = Extract<TextForm, { readonly kind: Kind }>;
const encoder = new TextEncoder();

function byteLevel(
  { addedTokens }: BpeVocabulary,
  { cut, isComposed }: Of<'byte-level'>,
  idByToken: ReadonlyMap<string, number>,
  otherwise: number,
): TextSymbols {
  const byteIds = byteCharacters.map((character) => idByToken.get(character) ?? otherwise);
  const added = new Set(addedTokens.map(({ id }) => id));
  const whole = (bytes: Uint8Array): number | undefined => {
    const id = idByToken.get(Array.from(bytes, (byte) => byteCharacters[byte]).join(''));
    return id === undefined || added.has(id) ? undefined : id;
  };
  return {
    pieces: (text) => preTokenise(isComposed ? text.normalize('NFC') : text, cut),
    symbols: (piece) => {
      const bytes = encoder.encode(piece);
      const kept = textCuts[cut].keepsTokens ? whole(bytes) : undefined;
      return kept === undefined ? Array.from(bytes, (byte) => byteIds[byte] as number) : [kept];
    },
    bytes: (token) => bytesOfToken(token) ?? [],
    restored: (text) => text,
  };
}

/** Runs of spaces with the word behind them: where no token goes on after a word, no merge crosses their borders. */
const spacedWords = new RegExp(`${spaceMark}*[^${spaceMark}]*`, 'g');
const goesOn = new RegExp(`[^${spaceMark}]${spaceMark}`);

function sentencePiece(
  { tokens }: BpeVocabulary,
  { spaceBefore, unknownId }: Of<'sentencepiece'>,
  idByToken: ReadonlyMap<string, number>,
  otherwise: number,
): TextSymbols {
  const byteIds = Array.from({ length: 256 }, () => unknownId ?? otherwise);
  for (const [id, token] of tokens.entries()) {
    const byte = byteOfToken(token);
    if (byte !== undefined) byteIds[byte] = id;
  }
  const isWhole = tokens.some((token) => goesOn.test(token));
  return {
    pieces: (text, before) => {
      if (text === '') return [];
      const marked = text.replaceAll(' ', spaceMark);
      const isAdded =
        (spaceBefore === 'always' && before !== 'text') ||
        (spaceBefore === 'where-missing' && before === 'nothing' && !marked.startsWith(spaceMark));
      const spaced = isAdded ? spaceMark + marked : marked;
      return isWhole ? [spaced] : (spaced.match(spacedWords) ?? []).filter((piece) => piece !== '');
    },
    symbols: (piece) =>
      Array.from(piece).flatMap(
        (character) =>
          idByToken.get(character) ??
          Array.from(encoder.encode(character), (byte) => byteIds[byte] as number),
      ),
    bytes: (token) => {
      const byte = byteOfToken(token);
      return byte === undefined ? encoder.encode(token.replaceAll(spaceMark, ' ')) : [byte];
    },
    restored: (text) => (spaceBefore !== 'never' && text.startsWith(' ') ? text.slice(1) : text),
  };
}
