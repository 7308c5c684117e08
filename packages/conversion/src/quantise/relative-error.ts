/** Root of the mean squared error, relative to the values' own root mean square. */
export class RelativeError {
  #error = 0;
  #size = 0;

  add(value: number, restored: number): void {
    this.#error += (value - restored) ** 2;
    this.#size += value ** 2;
  }

  addAll(values: Float32Array, restored: Float32Array): void {
    let [error, size] = [0, 0];
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] as number;
      error += (value - (restored[i] as number)) ** 2;
      size += value ** 2;
    }
    this.#error += error;
    this.#size += size;
  }

  get value(): number {
    return this.#size === 0 ? 0 : Math.sqrt(this.#error / this.#size);
  }
}
