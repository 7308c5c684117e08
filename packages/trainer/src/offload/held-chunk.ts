import type { OwnedSpan } from '@gantry/training/parallel';

/** Some of what a rank owns, to be filled: answers where the stage's elements lie in it. */
export class HeldChunk {
  readonly #spans: readonly OwnedSpan[];
  readonly #at: number;
  readonly #values: Float32Array;

  constructor(spans: readonly OwnedSpan[], at: number, values: Float32Array) {
    this.#spans = spans;
    this.#at = at;
    this.#values = values;
  }

  /** As `StageBuffer.held`. */
  held(from: number, to: number): { readonly from: number; readonly values: Float32Array }[] {
    return this.#spans.flatMap((span) => {
      // Elements of the stage that lie in this chunk.
      const first = span.from + Math.max(0, this.#at - span.at);
      const last = span.from + Math.min(span.to - span.from, this.#at + this.#values.length - span.at);
      const [start, end] = [Math.max(from, first), Math.min(to, last)];
      if (start >= end) return [];
      const at = span.at + start - span.from - this.#at;
      return [{ from: start, values: this.#values.subarray(at, at + end - start) }];
    });
  }
}
