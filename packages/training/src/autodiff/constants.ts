/** What masked attention and rotary positions need to know before any data arrives. */

/** Queries [from, to) over keys [0, to): 0 where a query may look, a large negative number where it may not. */
export function causalMask(from: number, to: number): Float32Array {
  const mask = new Float32Array((to - from) * to);
  for (let row = 0; row < to - from; row += 1) mask.fill(-1e30, row * to + from + row + 1, (row + 1) * to);
  return mask;
}

/** cos and sin of position / theta^(2i / width), each [time, width / 2]. */
export function rotaryTables(
  time: number,
  width: number,
  theta: number,
): { cosines: Float32Array; sines: Float32Array } {
  const half = width / 2;
  const cosines = new Float32Array(time * half);
  const sines = new Float32Array(time * half);
  for (let position = 0; position < time; position += 1) {
    for (let index = 0; index < half; index += 1) {
      const angle = position / theta ** ((2 * index) / width);
      cosines[position * half + index] = Math.cos(angle);
      sines[position * half + index] = Math.sin(angle);
    }
  }
  return { cosines, sines };
}
