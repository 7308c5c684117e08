/**
 * Prefixes that had to leave the K/V memory and lie in a slower place, each under a number: what they are, which is
 * the longest for a prompt, and which goes when there is no room. Pure; the engine moves the bytes.
 */
import { commonPrefix } from './common-prefix.ts';

interface Parked {
  readonly place: number;
  readonly reuseKey: string;
  readonly tokens: readonly number[];
}

export class ParkedPrefixes {
  readonly #mostTokens: number;
  readonly #leastTokens: number;
  /** Used longest ago first. */
  #parked: Parked[] = [];
  #nextPlace = 0;

  /** `mostTokens`: of all together; `leastTokens`: below it, computing again is as quick. */
  constructor(mostTokens: number, leastTokens: number) {
    this.#mostTokens = mostTokens;
    this.#leastTokens = leastTokens;
  }

  get tokens(): number {
    return this.#parked.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  /** The longest beginning of `tokens` that is parked; its place counts as used. */
  find(reuseKey: string, tokens: readonly number[]): { readonly place: number; readonly match: number } {
    let best = { place: -1, match: 0 };
    for (const one of this.#parked) {
      if (one.reuseKey !== reuseKey) continue;
      const match = commonPrefix(one.tokens, tokens);
      if (match > best.match) best = { place: one.place, match };
    }
    return best.match < this.#leastTokens ? { place: -1, match: 0 } : best;
  }

  /** Somebody goes on from it: it is the last to go. */
  use(place: number): void {
    const at = this.#parked.findIndex((one) => one.place === place);
    if (at !== -1) this.#parked.push(...this.#parked.splice(at, 1));
  }

  /** A new place for what a slot held, and those that make room; undefined when it is not worth one. */
  park(
    reuseKey: string,
    tokens: readonly number[],
  ): { readonly place: number; readonly dropped: readonly number[] } | undefined {
    if (tokens.length < this.#leastTokens || tokens.length > this.#mostTokens) return undefined;
    const isKnown = this.#parked.some(
      (one) => one.reuseKey === reuseKey && commonPrefix(one.tokens, tokens) === tokens.length,
    );
    if (isKnown) return undefined;
    const dropped: number[] = [];
    // What is a beginning of the new one is in it.
    this.#parked = this.#parked.filter((one) => {
      const isWithin = one.reuseKey === reuseKey && commonPrefix(one.tokens, tokens) === one.tokens.length;
      if (isWithin) dropped.push(one.place);
      return !isWithin;
    });
    while (this.tokens + tokens.length > this.#mostTokens)
      dropped.push((this.#parked.shift() as Parked).place);
    const place = this.#nextPlace++;
    this.#parked.push({ place, reuseKey, tokens: [...tokens] });
    return { place, dropped };
  }

  /** It could not be written, or not be read again. */
  forget(place: number): void {
    this.#parked = this.#parked.filter((one) => one.place !== place);
  }
}
