/** Text in the pieces that merges never cross, by the patterns of a tokenizer's kind. */
import { textCuts, type TextCutName } from '@gantry/formats';

/** Oniguruma's `\s` is Unicode's white space; JavaScript's has U+FEFF more and U+0085 less. */
const ofOniguruma = (pattern: string): RegExp =>
  new RegExp(
    pattern
      .replaceAll(String.raw`\s`, String.raw`\p{White_Space}`)
      .replaceAll(String.raw`\S`, String.raw`\P{White_Space}`),
    'gu',
  );

const compiled = new Map<TextCutName, readonly RegExp[]>();

export function* preTokenise(text: string, cut: TextCutName = 'gpt-2'): Generator<string> {
  let patterns = compiled.get(cut);
  if (patterns === undefined) compiled.set(cut, (patterns = textCuts[cut].patterns.map(ofOniguruma)));
  yield* cutBy(text, patterns);
}

function* cutBy(text: string, [pattern, ...others]: readonly RegExp[]): Generator<string> {
  if (pattern === undefined) {
    yield text;
    return;
  }
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > end) yield* cutBy(text.slice(end, index), others);
    yield* cutBy(match, others);
    end = index + match.length;
  }
  if (end < text.length) yield* cutBy(text.slice(end), others);
}
