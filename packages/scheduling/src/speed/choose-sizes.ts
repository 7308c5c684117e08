/**
 * How many members every elastic gang should have: all get their least, then always the growth that adds
 * most worth for the devices it takes. Growth by several at once is looked at, too, so that a size which
 * pays only from a whole node on is found (after Pollux, OSDI'21, §4.2, greedily).
 */

/** Worth below this is noise of the arithmetic. */
const LEAST_RATE = 1e-15;

export interface Sizing<T> {
  /** Ascending; the first is what it gets in any case, if there is room. */
  sizes: (item: T) => readonly number[];
  /** Any unit, the same for all; more is better. */
  worth: (item: T, size: number) => number;
  /** Devices of one member. */
  devices: (item: T) => number;
}

/** `order`: who gets the least first. Who is not in the answer gets nothing. */
export function chooseSizes<T>(
  order: readonly T[],
  devices: number,
  { sizes, worth, devices: each }: Sizing<T>,
): Map<T, number> {
  let free = devices;
  const chosen = new Map<T, number>();
  for (const item of order) {
    const least = sizes(item)[0];
    if (least === undefined || least * each(item) > free) continue;
    chosen.set(item, least);
    free -= least * each(item);
  }
  interface Growth {
    to: number;
    rate: number;
  }
  const costOf = (item: T, to: number): number => (to - chosen.get(item)!) * each(item);
  const best = (item: T): Growth | null => {
    const from = chosen.get(item)!;
    const before = worth(item, from);
    let found: Growth | null = null;
    for (const to of sizes(item)) {
      if (to <= from || costOf(item, to) > free) continue;
      const rate = (worth(item, to) - before) / costOf(item, to);
      if (rate > LEAST_RATE && (found === null || rate > found.rate)) found = { to, rate };
    }
    return found;
  };
  const growth = new Map([...chosen.keys()].map((item) => [item, best(item)]));
  for (;;) {
    let top: { item: T; growth: Growth } | null = null;
    for (const [item, candidate] of growth) {
      // What was possible when it was computed may be too large by now.
      const now = candidate !== null && costOf(item, candidate.to) > free ? best(item) : candidate;
      if (now !== candidate) growth.set(item, now);
      if (now !== null && (top === null || now.rate > top.growth.rate)) top = { item, growth: now };
    }
    if (top === null) return chosen;
    free -= costOf(top.item, top.growth.to);
    chosen.set(top.item, top.growth.to);
    growth.set(top.item, best(top.item));
  }
}
