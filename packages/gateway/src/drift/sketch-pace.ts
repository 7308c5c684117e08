/** Which requests of an endpoint are sketched: all while they are few, and never more than it takes to see drift. */

/** Milliseconds between two: at most 50 a second, which fill a window of 500 in ten. */
const spacingMs = 20;

export class SketchPace {
  #nextMs = -Infinity;

  take(nowMs: number): boolean {
    if (nowMs < this.#nextMs) return false;
    this.#nextMs = nowMs + spacingMs;
    return true;
  }
}
