/** What flows through a graph: its name, its static shape, how it lies in memory. */
import type { OnnxElementType, OnnxValueInfo } from '@gantry/formats/onnx';
import { blockedShape } from './blocked-shape.ts';
import type { ValueSize } from './buffer-plan.ts';

export type Shape = readonly number[];

export interface Value {
  readonly name: string;
  readonly shape: Shape;
  readonly type: OnnxElementType;
  /** Lies in the blocked layout (see blocked-layout.ts) while `shape` stays [rows, columns]. */
  readonly isBlocked?: true;
}

export function elementsOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

const elementBytes = { float32: 4, int64: 8, bool: 1, uint8: 1 } as const satisfies Record<
  OnnxElementType,
  number
>;

/** As ONNX Runtime sees it. */
export function sizeOfValue({ shape, type, isBlocked }: Value): ValueSize {
  const seen = isBlocked === true ? blockedShape(shape) : shape;
  const width = elementBytes[type];
  return {
    shape: `${width}:${seen.join('×')}`,
    isScalar: seen.length === 0,
    bytes: elementsOf(seen) * width,
  };
}

export function toInfo({ name, type, shape, isBlocked }: Value): OnnxValueInfo {
  return { name, type, shape: isBlocked === true ? blockedShape(shape) : shape };
}

export function matrixShape(value: Value, form: 'transposed' | undefined): { rows: number; columns: number } {
  const rows = value.shape.at(-2);
  const columns = value.shape.at(-1);
  if (rows === undefined || columns === undefined) throw new RangeError(`${value.name} is no matrix`);
  return form === 'transposed' ? { rows: columns, columns: rows } : { rows, columns };
}

export function broadcast(left: Shape, right: Shape): Shape {
  const rank = Math.max(left.length, right.length);
  return Array.from({ length: rank }, (_, axis) => {
    const one = left[axis - rank + left.length] ?? 1;
    const other = right[axis - rank + right.length] ?? 1;
    if (one !== other && one !== 1 && other !== 1)
      throw new RangeError(`[${left.join('×')}] does not broadcast with [${right.join('×')}]`);
    return Math.max(one, other);
  });
}
