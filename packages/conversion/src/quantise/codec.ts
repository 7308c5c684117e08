/** Numbers ↔ the bytes of one tensor type. `values` fill whole blocks. */
export interface Codec {
  encode(values: Float32Array, target: DataView): void;
  decode(source: DataView, values: Float32Array): void;
}

/** Nearest whole number within bounds; halves go to the even one, as ggml's. */
export function roundWithin(value: number, lowest: number, highest: number): number {
  const whole = Math.round(value);
  const nearest = whole - value === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
  return Math.min(highest, Math.max(lowest, nearest));
}
