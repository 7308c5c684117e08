/** Rows as a block format holds them: what graphs do with a matrix, for rows that the host copies. */
import { decodeValues, encodeValues, type CodecType } from '@gantry/conversion';
import { blockValues, type BlockFormat } from '@gantry/training/autodiff';

/** The tensor types of a GGUF. */
export const tensorTypeOf = { q8_0: 'Q8_0', q4_0: 'Q4_0' } as const satisfies Record<BlockFormat, CodecType>;

/** In place; rows that fill no whole blocks stay as they are. */
export function roundRows(rows: Float32Array, width: number, format: BlockFormat): void {
  if (width % blockValues !== 0) return;
  const type = tensorTypeOf[format];
  rows.set(decodeValues(type, encodeValues(type, rows)));
}
