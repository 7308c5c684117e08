/** SentencePiece's BPE as `tokenizer.json` has it: spaces become U+2581, and mostly one stands before the text. */
import { FormatError } from '../format-error.ts';
import { isRecord } from './json-record.ts';

/** A space before the text: always one more, one where there is none, or never. */
export type SentencePieceSpaces = 'always' | 'where-missing' | 'never';

export const spaceMark = '\u2581';

type Said = Readonly<Record<string, unknown>>;

const prepend = { type: 'Prepend', prepend: spaceMark };
const replace = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark };

export function readSentencePieceSpaces(file: Said): SentencePieceSpaces {
  const { normalizer, pre_tokenizer: preTokenizer } = file;
  const steps = stepsOf(normalizer);
  const isOnly = (...wanted: readonly object[]): boolean => JSON.stringify(steps) === JSON.stringify(wanted);
  if (preTokenizer === undefined || preTokenizer === null) {
    if (isOnly(prepend, replace)) return 'always';
    if (isOnly(replace)) return 'never';
  }
  const metaspace = isRecord(preTokenizer) && preTokenizer['type'] === 'Metaspace' ? preTokenizer : undefined;
  const { replacement, prepend_scheme: scheme, split } = metaspace ?? {};
  if (steps.length === 0 && replacement === spaceMark && split === false) {
    if (scheme === 'never') return 'never';
    if (scheme === 'first' || scheme === 'always') return 'where-missing';
  }
  throw new FormatError(
    'format_unsupported',
    'tokenizer.json treats spaces in a way that is not known here.',
    'Known of SentencePiece are Prepend and Replace, or Metaspace without a split.',
  );
}

const stepsOf = (normalizer: unknown): readonly unknown[] => {
  if (!isRecord(normalizer)) return [];
  return normalizer['type'] === 'Sequence' && Array.isArray(normalizer['normalizers'])
    ? (normalizer['normalizers'] as unknown[])
    : [normalizer];
};

export function writeSentencePieceSpaces(spaces: SentencePieceSpaces): Said {
  const decoders = [
    { type: 'Replace', pattern: { String: spaceMark }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(spaces === 'never' ? [] : [{ type: 'Strip', content: ' ', start: 1, stop: 0 }]),
  ];
  const metaspace = { type: 'Metaspace', replacement: spaceMark, prepend_scheme: 'first', split: false };
  return {
    normalizer:
      spaces === 'where-missing'
        ? null
        : { type: 'Sequence', normalizers: spaces === 'always' ? [prepend, replace] : [replace] },
    pre_tokenizer: spaces === 'where-missing' ? metaspace : null,
    decoder: { type: 'Sequence', decoders },
  };
}

/** `<0x0A>` → 10; undefined for any other token. */
export function byteOfToken(token: string): number | undefined {
  const [, digits] = /^<0x([0-9A-Fa-f]{2})>$/.exec(token) ?? [];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}
