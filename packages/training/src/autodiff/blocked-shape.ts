/** How a matrix lies in the blocked layout (see blocked-layout.ts). */

/** Height and width of the image that stands for `rows`. */
export function plane(rows: number): readonly [number, number] {
  return rows % 32 === 0 ? [rows / 32, 32] : [rows, 1];
}

/** The shape that ONNX Runtime sees for a blocked [rows, columns]. */
export function blockedShape([rows, columns]: readonly number[]): readonly number[] {
  return [1, columns as number, ...plane(rows as number)];
}
