import type { Value } from './value.ts';

type Tuple<Count extends number> = Count extends 1
  ? readonly [Value]
  : Count extends 2
    ? readonly [Value, Value]
    : readonly [Value, Value, Value];

/** Exactly so many values, by position. */
export function take<Count extends 1 | 2 | 3>(values: readonly Value[], count: Count): Tuple<Count> {
  if (values.length !== count) throw new RangeError(`expected ${count} values, got ${values.length}`);
  return values as unknown as Tuple<Count>;
}
