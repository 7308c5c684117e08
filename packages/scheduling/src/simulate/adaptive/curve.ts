/** Values measured at rising points; between two of them straight lines, beyond the ends the values there. */
export interface Curve<T> {
  readonly at: readonly number[];
  readonly values: readonly T[];
}

export function interpolate<T>(curve: Curve<T>, point: number, mix: (a: T, b: T, part: number) => T): T {
  const { at, values } = curve;
  const last = at.length - 1;
  if (last === 0 || point <= at[0]!) return values[0]!;
  if (point >= at[last]!) return values[last]!;
  let above = 1;
  while (at[above]! < point) above++;
  const below = above - 1;
  return mix(values[below]!, values[above]!, (point - at[below]!) / (at[above]! - at[below]!));
}
