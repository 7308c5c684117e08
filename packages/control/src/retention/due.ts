/** What is due now, and when the next of the rest will be. Pure. */
export interface Dated<T> {
  readonly item: T;
  /** Undefined: never by itself. */
  readonly dueMs: number | undefined;
}

export interface Due<T> {
  readonly now: readonly T[];
  readonly nextMs: number | undefined;
}

export function dueOf<T>(all: readonly Dated<T>[], nowMs: number): Due<T> {
  const now: T[] = [];
  let nextMs: number | undefined;
  for (const { item, dueMs } of all) {
    if (dueMs === undefined) continue;
    if (dueMs <= nowMs) now.push(item);
    else nextMs = earlier(nextMs, dueMs);
  }
  return { now, nextMs };
}

export const earlier = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);

/** The moment an age ends; never for what is kept for ever. */
export const after = (fromMs: number, ageMs: number | undefined): number | undefined =>
  ageMs === undefined ? undefined : fromMs + ageMs;
