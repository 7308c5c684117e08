/** Adds `source` to the elements of `target` from `at` on: what a kernel does where it can reach both. */
export function addInto(target: Float32Array, source: Float32Array, at: number): void {
  const { length } = source;
  for (let index = 0; index < length; index += 1) {
    target[at + index] = (target[at + index] as number) + (source[index] as number);
  }
}
