/** Which parameters of one model are those of another: what a training may begin with when the model has changed. */
interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface ParameterMatch {
  /** Of equal name and shape. */
  readonly matched: readonly string[];
  /** Of equal name, but as large as the second shape there. */
  readonly reshaped: readonly { readonly name: string; readonly wanted: string; readonly saved: string }[];
  /** The other model has none of the name. */
  readonly missing: readonly string[];
  /** Only the other model has them. */
  readonly unused: readonly string[];
}

export function matchParameters(wanted: readonly NamedShape[], saved: readonly NamedShape[]): ParameterMatch {
  const have = new Map(saved.map(({ name, shape }) => [name, shape.join(' × ')]));
  const matched: string[] = [];
  const reshaped: { name: string; wanted: string; saved: string }[] = [];
  const missing: string[] = [];
  for (const { name, shape } of wanted) {
    const there = have.get(name);
    const size = shape.join(' × ');
    if (there === undefined) missing.push(name);
    else if (there === size) matched.push(name);
    else reshaped.push({ name, wanted: size, saved: there });
  }
  const names = new Set(wanted.map(({ name }) => name));
  return { matched, reshaped, missing, unused: [...have.keys()].filter((name) => !names.has(name)) };
}
