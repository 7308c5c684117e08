/**
 * A rank's share of one kind of value (parameters, gradients, a moment): all of its stage's elements, or what it owns,
 * or of that only what is kept.
 */
import type { OwnedSpan, OwnedSpans, StageLayout } from '@gantry/training/parallel';
import type { Arena } from '../memory/index.ts';

export class StageBuffer {
  #values: Float32Array;
  /** Undefined when the buffer holds all elements of the stage. */
  readonly #spans: readonly OwnedSpan[] | undefined;

  constructor(layout: StageLayout, arena: Arena, owned?: OwnedSpans) {
    this.#spans = owned?.spans;
    this.#values = arena.floats(owned?.length ?? layout.length);
  }

  get values(): Float32Array {
    return this.#values;
  }

  /** The arena may move it between steps: nobody keeps a view of it. */
  mayMove(arena: Arena): void {
    arena.mayMove(this.#values, (values) => {
      this.#values = values;
    });
  }

  /** Elements [from, to) of the stage, all of them in one of its spans. */
  view({ from, to }: Pick<OwnedSpan, 'from' | 'to'>): Float32Array {
    if (from === to) return this.values.subarray(0, 0);
    const [held] = this.held(from, to);
    if (held?.values.length !== to - from) throw new RangeError(`[${from}, ${to}) is not held in one piece`);
    return held.values;
  }

  /** Takes what it holds of the stage's elements [from, from + source.length). */
  write(from: number, source: Float32Array): void {
    if (this.#spans === undefined) {
      this.values.set(source, from);
      return;
    }
    for (const span of this.#spans) {
      const start = Math.max(from, span.from);
      const end = Math.min(from + source.length, span.to);
      if (start < end)
        this.values.set(source.subarray(start - from, end - from), span.at + start - span.from);
    }
  }

  /** What it holds of the stage's elements [from, to), where it lies. */
  held(from: number, to: number): { readonly from: number; readonly values: Float32Array }[] {
    if (this.#spans === undefined) return [{ from, values: this.values.subarray(from, to) }];
    return this.#spans.flatMap((span) => {
      const [start, end] = [Math.max(from, span.from), Math.min(to, span.to)];
      if (start >= end) return [];
      const at = span.at + start - span.from;
      return [{ from: start, values: this.values.subarray(at, at + end - start) }];
    });
  }
}
