/**
 * Averages over time for charts whose length is not known before they end: a fixed number of
 * columns that double their width whenever time runs past the last.
 */
export class TimeGrid {
  readonly #columns: number;
  readonly #sums: Float64Array[];
  #columnSeconds = 60;
  #endSeconds = 0;

  constructor(rows: number, columns: number) {
    this.#columns = columns;
    this.#sums = Array.from({ length: rows }, () => new Float64Array(columns));
  }

  get columnSeconds(): number {
    return this.#columnSeconds;
  }

  /** `value` held in that row from one moment to the other. */
  add(row: number, fromSeconds: number, toSeconds: number, value: number): void {
    this.#reach(toSeconds);
    const sums = this.#sums[row];
    if (sums === undefined || value === 0) return;
    for (let at = fromSeconds; at < toSeconds;) {
      const column = Math.floor(at / this.#columnSeconds);
      const end = Math.min(toSeconds, (column + 1) * this.#columnSeconds);
      // The last moment may round into a column behind the last.
      const index = Math.min(column, this.#columns - 1);
      sums[index] = (sums[index] ?? 0) + value * (end - at);
      at = end;
    }
  }

  /** The average of each column that time has reached. */
  averages(row: number): readonly number[] {
    const used = Math.min(this.#columns, Math.ceil(this.#endSeconds / this.#columnSeconds));
    return Array.from({ length: used }, (_, column) => {
      const start = column * this.#columnSeconds;
      const seconds = Math.min(this.#columnSeconds, this.#endSeconds - start);
      return (this.#sums[row]?.[column] ?? 0) / seconds;
    });
  }

  #reach(seconds: number): void {
    this.#endSeconds = Math.max(this.#endSeconds, seconds);
    while (this.#endSeconds > this.#columnSeconds * this.#columns) {
      this.#columnSeconds *= 2;
      for (const sums of this.#sums) {
        for (let column = 0; column < this.#columns; column += 1)
          sums[column] =
            2 * column < this.#columns ? (sums[2 * column] ?? 0) + (sums[2 * column + 1] ?? 0) : 0;
      }
    }
  }
}
