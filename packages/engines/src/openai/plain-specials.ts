/**
 * Special tokens that somebody wrote into a message are text, whatever a template puts around them: `<|im_end|>` in a
 * question must not end it. Before a template is rendered their names are cut with a mark that no message has; after it
 * the prompt is tokenised in the pieces between the marks, in none of which such a name is whole. The template's own
 * special tokens stay what they are.
 */
import { EngineError } from '../engine-error.ts';

export interface CutTexts<T> {
  readonly value: T;
  /** Undefined when no name was found. */
  readonly mark: string | undefined;
}

/** Noncharacters: for internal use by programs (Unicode 23.7), so that messages hardly have one and never all. */
const marks = Array.from({ length: 32 }, (_, at) => String.fromCharCode(0xfdd0 + at));

/** All strings within `value`, cut where one of the names is written. */
export function cutSpecials<T>(value: T, names: readonly string[]): CutTexts<T> {
  const cuttable = names.filter((name) => name.length > 1);
  if (cuttable.length === 0 || !someText(value, (text) => cuttable.some((name) => text.includes(name))))
    return { value, mark: undefined };
  const mark = marks.find((one) => !someText(value, (text) => text.includes(one)));
  if (mark === undefined)
    throw new EngineError('invalid_value', 'The messages have every noncharacter of Unicode.', {
      param: 'messages',
    });
  return { value: mapTexts(value, (text) => cut(text, cuttable, mark)) as T, mark };
}

/** Tokens of a rendered prompt; `tokenize` is asked for pieces, of which all but the first go on from another. */
export function tokenizeCut(
  text: string,
  mark: string | undefined,
  tokenize: (piece: string, isContinued: boolean) => readonly number[],
): number[] {
  if (mark === undefined) return [...tokenize(text, false)];
  // A template that writes JSON may escape what is not ASCII.
  const escaped = `\\u${mark.charCodeAt(0).toString(16)}`;
  const pieces = text.replaceAll(escaped, mark).split(mark);
  return pieces.flatMap((piece, at) => (piece === '' ? [] : [...tokenize(piece, at > 0)]));
}

/** After its first character, so that names within names are found too. */
function cut(text: string, names: readonly string[], mark: string): string {
  let out = '';
  let from = 0;
  for (;;) {
    const at = Math.min(
      ...names.map((name) => text.indexOf(name, from)).map((one) => (one < 0 ? Infinity : one)),
    );
    if (at === Infinity) return out + text.slice(from);
    out += text.slice(from, at + 1) + mark;
    from = at + 1;
  }
}

function someText(value: unknown, is: (text: string) => boolean): boolean {
  if (typeof value === 'string') return is(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, each]) => is(key) || someText(each, is));
}

function mapTexts(value: unknown, to: (text: string) => string): unknown {
  if (typeof value === 'string') return to(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, to));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [to(key), mapTexts(each, to)]));
}
