/** Parts of a buffer of `length` among `count` ranks: contiguous, complete, sizes differ by at most one. */
export function ringChunk(length: number, index: number, count: number): { from: number; to: number } {
  const which = ((index % count) + count) % count;
  return { from: Math.floor((length * which) / count), to: Math.floor((length * (which + 1)) / count) };
}
