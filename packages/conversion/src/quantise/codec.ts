/** Numbers ↔ the bytes of one tensor type. `values` fill whole blocks. */
export interface Codec {
  encode(values: Float32Array, target: DataView): void;
  decode(source: DataView, values: Float32Array): void;
}

/** Nearest whole number within bounds; halves go up. */
export function roundWithin(value: number, lowest: number, highest: number): number {
  return Math.min(highest, Math.max(lowest, Math.round(value)));
}
