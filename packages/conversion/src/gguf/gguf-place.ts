/** Where GGUF keeps what Hugging Face keeps: one tensor for one or several, its rows in an order of its own. */
import { toHalvedRotary, toInterleavedRotary } from '@gantry/formats';
import { transposed } from '../decoder/transposed.ts';
import type { WeightSource } from '../decoder/weight-source.ts';

export interface GgufPlace {
  readonly ggufName: string;
  /** In the GGUF, row-major. */
  readonly shape: readonly number[];
  /** Of the checkpoint, one behind the other. */
  readonly parts: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /**
   * `rotary`: llama.cpp turns neighbouring rows of a head together, Hugging Face its halves. `turned`: [in, out] in
   * the checkpoint.
   */
  readonly order?: { readonly kind: 'rotary'; readonly heads: number } | { readonly kind: 'turned' };
  /** Need not be there. */
  readonly isOptional?: boolean;
  /** Stays in single precision: it is added, not multiplied. */
  readonly isPlain?: boolean;
}

/** Of a place, in strips of whole rows as the GGUF has them. */
export function* ggufStrips(
  { shape, parts, order }: GgufPlace,
  source: WeightSource,
): Generator<Float32Array> {
  for (const part of parts) {
    if (order?.kind === 'turned') {
      const [rows = 1, columns = 1] = part.shape;
      yield transposed(source.read(part.name, part.shape), rows, columns);
    } else if (order === undefined) {
      yield* source.strips(part.name, part.shape);
    } else {
      const headRows = headRowsOf(shape, order.heads);
      for (const strip of source.strips(part.name, part.shape, headRows))
        yield toInterleavedRotary(strip, rowsIn(strip, shape) / headRows, rowsIn(strip, shape));
    }
  }
}

/** The way back for strips of whole heads: of a tensor that is one part of its checkpoint. */
export const fromRotary = (strip: Float32Array, shape: readonly number[], heads: number): Float32Array =>
  toHalvedRotary(strip, rowsIn(strip, shape) / headRowsOf(shape, heads), rowsIn(strip, shape));

/** Biases have a value a row. */
const columnsOf = (shape: readonly number[]): number => (shape.length === 1 ? 1 : (shape.at(-1) ?? 1));
const rowsIn = (strip: Float32Array, shape: readonly number[]): number => strip.length / columnsOf(shape);
export const headRowsOf = (shape: readonly number[], heads: number): number => (shape[0] ?? 0) / heads;
