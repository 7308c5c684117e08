/** Tensors in strips of whole rows, so that none has to be in memory at once. */

/** 16 MiB of single precision. */
const stripValues = 2 ** 22;

/** Rows of a strip: a multiple of `step`, and no more than fit, unless one step does not. */
export function rowsOfStrip(shape: readonly number[], step = 1): number {
  const columns = Math.max(1, shape.at(-1) ?? 1);
  return Math.max(step, Math.floor(stripValues / columns / step) * step);
}

interface Strip {
  readonly from: number;
  readonly count: number;
}

export function* stripsOf(rows: number, perStrip: number): Generator<Strip> {
  for (let from = 0; from < rows; from += perStrip) yield { from, count: Math.min(perStrip, rows - from) };
}
