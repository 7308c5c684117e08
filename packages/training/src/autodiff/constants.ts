/** What masked attention and rotary positions need to know before any data arrives. */

/** 0 where a query may look, a large negative number where it may not. [time, time] */
export function causalMask(time: number): Float32Array {
  const mask = new Float32Array(time * time);
  for (let query = 0; query < time; query += 1) {
    mask.fill(-1e30, query * time + query + 1, (query + 1) * time);
  }
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
