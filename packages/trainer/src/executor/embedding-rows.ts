/** The gradient of looking rows up: each row's gradient is added to the row that was read. */
export function scatterAddRows(
  table: Float32Array,
  width: number,
  rows: BigInt64Array,
  gradients: Float32Array,
): void {
  for (let row = 0; row < rows.length; row += 1) {
    const to = Number(rows[row]) * width;
    const from = row * width;
    for (let column = 0; column < width; column += 1) {
      table[to + column] = (table[to + column] as number) + (gradients[from + column] as number);
    }
  }
}
