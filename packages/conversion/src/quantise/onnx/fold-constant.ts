/** What a node gives when all that it takes is constant; undefined where it is not, or nothing we compute. */
import type { GraphNode } from '@gantry/formats/onnx';
import type { Constant } from './clean-graph.ts';
import { isStandard } from './dense-layers.ts';

type Fold = (node: GraphNode, inputs: readonly Constant[]) => Omit<Constant, 'name'> | undefined;

export function foldConstant(
  node: GraphNode,
  constants: ReadonlyMap<string, Constant>,
): Constant | undefined {
  const [name] = node.outputs;
  if (name === undefined || !isStandard(node)) return undefined;
  if (node.operator === 'Constant') {
    const { tensor } = node;
    const isKnown = tensor?.values !== undefined || tensor?.integers !== undefined;
    return isKnown ? { ...tensor, name } : undefined;
  }
  const inputs = node.inputs.flatMap((input) => constants.get(input) ?? []);
  const fold = folds[node.operator];
  if (fold === undefined || inputs.length !== node.inputs.length) return undefined;
  const made = fold(node, inputs);
  return made && { ...made, name };
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const transpose: Fold = ({ lists }, [tensor]) => {
  const { values, shape } = tensor ?? { shape: [] };
  const order = lists['perm'] ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (values === undefined || order.length !== shape.length) return undefined;
  const target = order.map((axis) => shape[axis] ?? 0);
  const steps = shape.map((_, axis) => count(shape.slice(axis + 1)));
  const moved = new Float32Array(values.length);
  const place = new Array<number>(target.length).fill(0);
  for (let at = 0; at < moved.length; at += 1) {
    const from = place.reduce((sum, index, axis) => sum + index * (steps[order[axis] ?? 0] ?? 0), 0);
    moved[at] = values[from] as number;
    for (let axis = target.length - 1; axis >= 0; axis -= 1) {
      place[axis] = (place[axis] as number) + 1;
      if ((place[axis] as number) < (target[axis] as number)) break;
      place[axis] = 0;
    }
  }
  return { shape: target, values: moved, integers: undefined };
};

const reshaped = (tensor: Constant, shape: readonly number[]): Omit<Constant, 'name'> | undefined =>
  count(shape) === count(tensor.shape) && shape.every((size) => size > 0)
    ? { shape, values: tensor.values, integers: tensor.integers }
    : undefined;

const reshape: Fold = ({ numbers }, [tensor, wanted]) => {
  if (tensor === undefined || wanted?.integers === undefined || numbers['allowzero'] === 1) return undefined;
  const sizes = wanted.integers.map((size, axis) => (size === 0 ? (tensor.shape[axis] ?? 0) : size));
  const known = count(sizes.filter((size) => size !== -1));
  return reshaped(
    tensor,
    sizes.map((size) => (size === -1 ? count(tensor.shape) / known : size)),
  );
};

const unsqueeze: Fold = ({ lists }, [tensor, axesTensor]) => {
  const axes = lists['axes'] ?? axesTensor?.integers;
  if (tensor === undefined || axes === undefined) return undefined;
  const rank = tensor.shape.length + axes.length;
  const at = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  const rest = [...tensor.shape];
  return reshaped(
    tensor,
    Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : (rest.shift() ?? 0))),
  );
};

/** Of equal shapes, or one of them a single number. */
const elementwise =
  (compute: (one: number, other: number) => number): Fold =>
  (_node, [one, other]) => {
    if (one === undefined || other === undefined) return undefined;
    const [left, right] = [numbersOf(one), numbersOf(other)];
    const isWhole = one.integers !== undefined;
    if (left === undefined || right === undefined || isWhole !== (other.integers !== undefined))
      return undefined;
    const [large, small] = left.length >= right.length ? [one, other] : [other, one];
    const length = Math.max(left.length, right.length);
    const isScalar = Math.min(left.length, right.length) === 1 && small.shape.length <= large.shape.length;
    if (!isScalar && one.shape.join() !== other.shape.join()) return undefined;
    const made = Array.from({ length }, (_, at) =>
      compute(left[left.length === 1 ? 0 : at] as number, right[right.length === 1 ? 0 : at] as number),
    );
    return isWhole
      ? wholes(large.shape, made.map(Math.trunc))
      : { shape: large.shape, values: Float32Array.from(made), integers: undefined };
  };

const numbersOf = ({ values, integers }: Constant): ArrayLike<number> | undefined => values ?? integers;

/** More are no arithmetic of shapes. */
const mostIntegers = 4_096;

/** Sizes that no double holds exactly stay to be computed. */
const wholes = (shape: readonly number[], integers: readonly number[]): Omit<Constant, 'name'> | undefined =>
  integers.length <= mostIntegers && integers.every(Number.isSafeInteger)
    ? { shape, values: undefined, integers }
    : undefined;

/** Arithmetic of shapes: lists of whole numbers. */
const concat: Fold = (_node, parts) => {
  const lists = parts.map(({ shape, integers }) => (shape.length === 1 ? integers : undefined));
  if (lists.length === 0 || lists.includes(undefined)) return undefined;
  const joined = lists.flatMap((list) => list ?? []);
  return wholes([joined.length], joined);
};

const gather: Fold = ({ numbers }, [list, places]) => {
  const from = list?.shape.length === 1 ? list.integers : undefined;
  const at = places?.integers;
  if (from === undefined || at === undefined || places === undefined || (numbers['axis'] ?? 0) !== 0)
    return undefined;
  const found = at.map((place) => from[place < 0 ? place + from.length : place]);
  return found.every((each) => each !== undefined) ? wholes(places.shape, found) : undefined;
};

const slice: Fold = (_node, [list, starts, ends, axes, steps]) => {
  const from = list?.shape.length === 1 ? list.integers : undefined;
  const [start, end] = [starts?.integers?.[0], ends?.integers?.[0]];
  if (from === undefined || start === undefined || end === undefined) return undefined;
  if ((axes?.integers?.[0] ?? 0) !== 0 || (steps?.integers?.[0] ?? 1) !== 1) return undefined;
  const kept = from.slice(start, end);
  return wholes([kept.length], kept);
};

const squeeze: Fold = (_node, [tensor]) =>
  tensor?.shape.length === 1 && tensor.shape[0] === 1 ? reshapedTo(tensor, []) : undefined;

const reshapedTo = ({ values, integers }: Constant, shape: readonly number[]): Omit<Constant, 'name'> => ({
  shape,
  values,
  integers,
});

const shapeOf: Fold = ({ numbers }, [tensor]) =>
  tensor === undefined || numbers['start'] !== undefined || numbers['end'] !== undefined
    ? undefined
    : wholes([tensor.shape.length], tensor.shape);

const folds: Readonly<Record<string, Fold>> = {
  Transpose: transpose,
  Reshape: reshape,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Concat: concat,
  Gather: gather,
  Slice: slice,
  Shape: shapeOf,
  Add: elementwise((one, other) => one + other),
  Sub: elementwise((one, other) => one - other),
  Mul: elementwise((one, other) => one * other),
  Div: elementwise((one, other) => one / other),
};
