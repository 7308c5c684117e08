/**
 * How tokenizers of byte-level BPE cut a text before any merge: merges never cross the pieces. Each is named as people
 * know it, with the steps that `tokenizer.json` has for it (keys of `stepKey`) and the name that llama.cpp has.
 * `sentencepiece` is no cut at all: the whole text is one piece of characters, what has no token is written in bytes.
 */
import { FormatError } from '../format-error.ts';
import { isRecord } from './json-record.ts';

export interface TextCut {
  /** `tokenizer.ggml.pre` */
  readonly ggufName: string;
  /** In Oniguruma's dialect, one after the other: each cuts the pieces of the one before. */
  readonly patterns: readonly string[];
  readonly steps: readonly string[];
  /** A piece that is a token is not merged together (`ignore_merges`). */
  readonly keepsTokens: boolean;
}

const words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const tiktoken = (numbers: string): string =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const [upper, lower] = [String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`];
const cased = String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+|[^\r\n\p{L}\p{N}]?${upper}+${lower}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const split = (ggufName: string, pattern: string, keepsTokens: boolean): TextCut => ({
  ggufName,
  patterns: [pattern],
  steps: [`Split ${pattern}`, 'ByteLevel'],
  keepsTokens,
});

export const textCuts = {
  'gpt-2': { ggufName: 'gpt-2', patterns: [words], steps: ['ByteLevel by words'], keepsTokens: false },
  'llama-3': split('llama-bpe', tiktoken(String.raw`\p{N}{1,3}`), true),
  'qwen-2': split('qwen2', tiktoken(String.raw`\p{N}`), false),
  smollm: {
    ggufName: 'smollm',
    patterns: [String.raw`\p{N}`, words],
    steps: ['Digits one by one', 'ByteLevel by words'],
    keepsTokens: false,
  },
  tekken: split('tekken', cased, true),
} as const satisfies Readonly<Record<string, TextCut>>;

export type TextCutName = keyof typeof textCuts;
export const textCutNames = Object.keys(textCuts) as readonly TextCutName[];

/** `pre_tokenizer` of a `tokenizer.json`, or a refusal: text cut otherwise would be other tokens. */
export function readTextCut(preTokenizer: unknown): TextCutName {
  const steps = stepsOf(preTokenizer).map(stepKey);
  const found = textCutNames.find((name) => textCuts[name].steps.join('\n') === steps.join('\n'));
  if (found !== undefined) return found;
  const said =
    steps.length === 0 ? 'nothing' : steps.map((step) => JSON.stringify(step.slice(0, 80))).join(', ');
  throw new FormatError(
    'format_unsupported',
    `tokenizer.json cuts text by ${said}, which is not known here.`,
    `Known are the cuts of ${textCutNames.join(', ')} and SentencePiece's.`,
  );
}

/** The steps as `tokenizer.json` has them. */
export function writeTextCut(name: TextCutName): object {
  const { steps } = textCuts[name];
  const written = steps.map((step): object => {
    if (step.startsWith('Split '))
      return { type: 'Split', pattern: { Regex: step.slice(6) }, behavior: 'Isolated', invert: false };
    if (step.startsWith('Digits')) return { type: 'Digits', individual_digits: true };
    return {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: step === 'ByteLevel by words',
    };
  });
  return written.length === 1 && written[0] !== undefined
    ? written[0]
    : { type: 'Sequence', pretokenizers: written };
}

/** More steps than any tokenizer has; they may be nested. */
const mostSteps = 16;

function stepsOf(step: unknown, depth = 0): readonly Readonly<Record<string, unknown>>[] {
  if (!isRecord(step)) return [];
  const { type, pretokenizers } = step;
  if (type !== 'Sequence' || !Array.isArray(pretokenizers) || depth > 2) return [step];
  return pretokenizers.slice(0, mostSteps).flatMap((each) => stepsOf(each, depth + 1));
}

/** Everything of a step that changes where it cuts, in one line. */
function stepKey(step: Readonly<Record<string, unknown>>): string {
  const { type, use_regex: isByWords = true, add_prefix_space: hasSpace = true, behavior, invert } = step;
  if (type === 'ByteLevel' && hasSpace === false)
    return isByWords === false ? 'ByteLevel' : 'ByteLevel by words';
  if (type === 'Digits' && step['individual_digits'] === true) return 'Digits one by one';
  const { pattern } = step;
  const regex = isRecord(pattern) ? pattern['Regex'] : undefined;
  // These patterns leave nothing between their matches: to isolate them or to drop the rest is the same.
  const isWhole = behavior === 'Isolated' ? invert !== true : behavior === 'Removed' && invert === true;
  if (type === 'Split' && typeof regex === 'string' && isWhole) return `Split ${regex}`;
  return JSON.stringify(step);
}
