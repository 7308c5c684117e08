/**
 * Places in a text at which a model is asked what comes next, and which of its likeliest tokens did come: the longest
 * that the text goes on with, or all that it does not name, taken as one.
 */

/** So many ends of beginnings, evenly through the text, each before the blank of a word where there is one. */
export function placesIn(text: string, most: number): readonly number[] {
  const step = Math.max(1, Math.floor(text.length / (most + 1)));
  const places = new Set<number>();
  for (let at = step; at < text.length && places.size < most; at += step) {
    const blank = text.indexOf(' ', at);
    places.add(blank >= 0 && blank < at + step ? blank : at + (isSecondHalf(text, at) ? 1 : 0));
  }
  return [...places];
}

/** Of a character that takes two units of UTF-16. */
const isSecondHalf = (text: string, at: number): boolean => /[\uDC00-\uDFFF]/.test(text[at] ?? '');

/** The token that came, settled by the source so that both are asked of one event; answers its log probability. */
export function actualToken(
  source: ReadonlyMap<string, number>,
  came: string,
): (top: ReadonlyMap<string, number>) => number {
  const [token] = [...source.keys()]
    .filter((each) => each !== '' && came.startsWith(each))
    .sort((one, other) => other.length - one.length);
  return (top) => (token === undefined ? undefined : top.get(token)) ?? Math.log(restOf(top));
}

/** What rounding leaves is a hair, never nothing. */
const leastShare = 1e-9;

const restOf = (top: ReadonlyMap<string, number>): number =>
  Math.max(
    leastShare,
    [...top.values()].reduce((rest, logprob) => rest - Math.exp(logprob), 1),
  );
