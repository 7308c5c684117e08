/**
 * Answers leave in the order of arrival (Triton's `preserve_ordering`), each priority level by itself: an urgent
 * request does not wait for those that it overtook. Whoever gets no answer, or lost its place, holds nobody up.
 */
interface Place {
  /** It holds nobody up any more. */
  isPassed: boolean;
  leave: (() => void) | undefined;
}

export class AnswerOrder<T> {
  readonly #levels = new Map<number, Map<T, Place>>();

  enter(item: T, level: number): void {
    let places = this.#levels.get(level);
    if (places === undefined) this.#levels.set(level, (places = new Map<T, Place>()));
    places.set(item, { isPassed: false, leave: undefined });
  }

  /** `leave` is called when all before it have passed; at once where it lost its place. Without one it is forgotten. */
  pass(item: T, leave?: () => void): void {
    for (const places of this.#levels.values()) {
      const place = places.get(item);
      if (place === undefined) continue;
      place.isPassed = true;
      place.leave = leave;
      for (const [first, each] of places) {
        if (!each.isPassed) return;
        places.delete(first);
        each.leave?.();
      }
      return;
    }
    leave?.();
  }
}
