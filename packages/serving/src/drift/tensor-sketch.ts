/**
 * A tensor of one request as numbers and kinds that drift of it shows in: its type and extents, how its values lie,
 * one of them drawn at random (those of many requests together are a sample of the tensor's values), and for scores
 * of a few classes which is the largest. Nothing of it can be turned back into the tensor.
 */
import { sketchText } from './text-sketch.ts';

export interface SketchedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** How many values can be read: fewer than the shape says where only a part was kept. */
  readonly count: number;
  /** The value at an index, in row-major order; a text where the type is `BYTES`. */
  readonly at: (index: number) => number | string;
}

export interface Sketch {
  readonly numbers: Record<string, number>;
  readonly kinds: Record<string, string>;
  readonly points: Record<string, Float32Array>;
}

/** Values that mean and spread are taken over, evenly spaced. */
const lookedAt = 64;
/** A last dimension up to here may be scores of classes. */
const mostClasses = 64;
const mostDimensions = 4;

/** Adds to `sketch` under `prefix`. `draw` is uniform in [0, 1). */
export function sketchTensor(
  sketch: Sketch,
  prefix: 'input' | 'output',
  tensor: SketchedTensor,
  draw: number,
): void {
  const feature = `${prefix}.${tensor.name}`;
  const { shape, count, datatype } = tensor;
  sketch.kinds[`${feature}.type`] = `${datatype} of ${shape.length} dimensions`;
  for (const [dimension, extent] of shape.slice(0, mostDimensions).entries())
    sketch.numbers[`${feature}.extent${dimension}`] = extent;
  if (count === 0) return;
  if (typeof tensor.at(0) === 'string') {
    const point = sketchText(String(tensor.at(0)));
    if (point !== undefined) sketch.points[feature] = point;
    return;
  }
  const drawn = Number(tensor.at(Math.floor(draw * count)));
  const values = spread(tensor);
  const finite = values.filter(Number.isFinite);
  sketch.kinds[`${feature}.finite`] = finite.length === values.length ? 'all' : 'some';
  if (Number.isFinite(drawn)) sketch.numbers[`${feature}.value`] = drawn;
  if (finite.length > 1) {
    const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
    const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    sketch.numbers[`${feature}.mean`] = mean;
    sketch.numbers[`${feature}.spread`] = Math.sqrt(squares / (finite.length - 1));
  }
  const classes = shape.at(-1) ?? 0;
  if (prefix === 'output' && classes > 1 && classes <= mostClasses && classes <= count)
    sketch.kinds[`${feature}.largest`] = String(largestOf(tensor, classes));
}

function spread({ count, at }: SketchedTensor): number[] {
  const length = Math.min(count, lookedAt);
  return Array.from({ length }, (_, index) => Number(at(Math.floor((index * count) / length))));
}

/** Of the first row. */
function largestOf({ at }: SketchedTensor, classes: number): number {
  let best = 0;
  for (let index = 1; index < classes; index++) if (Number(at(index)) > Number(at(best))) best = index;
  return best;
}
