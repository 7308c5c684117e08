/** How many leading tokens two sequences share. */
export function commonPrefix(one: readonly number[], other: readonly number[]): number {
  const length = Math.min(one.length, other.length);
  let at = 0;
  while (at < length && one[at] === other[at]) at += 1;
  return at;
}
