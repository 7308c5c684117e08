/** Numbers ↔ the bytes of one tensor type. `values` fill whole blocks. */
export interface Codec {
  encode(values: Float32Array, target: DataView): void;
  decode(source: DataView, values: Float32Array): void;
}

/** Half of the whole numbers that single precision has: beside it the halves of a number have no bits. */
const magic = 12_582_912;

/**
 * Nearest whole number within bounds, of a number in single precision; halves go to the even one. As ggml's: adding 1.5 × 2²³
 * rounds, and taking it away leaves the whole number (of sizes below 2²²; larger ones are out of bounds anyway).
 */
export function roundWithin(value: number, lowest: number, highest: number): number {
  const nearest = Math.fround(value + magic) - magic;
  return nearest < lowest ? lowest : nearest > highest ? highest : nearest;
}
