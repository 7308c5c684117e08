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
    if (one?.values === undefined || other?.values === undefined) return undefined;
    const [large, small] = one.values.length >= other.values.length ? [one, other] : [other, one];
    const isScalar = small.values?.length === 1 && small.shape.length <= large.shape.length;
    if (!isScalar && one.shape.join() !== other.shape.join()) return undefined;
    const [left, right] = [one.values, other.values];
    const values = Float32Array.from({ length: large.values?.length ?? 0 }, (_, at) =>
      compute(left[left.length === 1 ? 0 : at] as number, right[right.length === 1 ? 0 : at] as number),
    );
    return { shape: large.shape, values, integers: undefined };
  };

const folds: Readonly<Record<string, Fold>> = {
  Transpose: transpose,
  Reshape: reshape,
  Unsqueeze: unsqueeze,
  Add: elementwise((one, other) => one + other),
  Sub: elementwise((one, other) => one - other),
  Mul: elementwise((one, other) => one * other),
  Div: elementwise((one, other) => one / other),
};
