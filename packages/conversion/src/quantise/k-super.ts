/** What all K formats share: blocks of 256 values, in groups that are sized one by one. */
import type { Codec } from './codec.ts';

/** Values of a block of any K format (ggml's QK_K). */
export const superValues = 256;

/** Places are bytes from the start of the view. Bits are only ever added to zeros. */
export const addBits = (view: DataView, at: number, bits: number): void =>
  view.setUint8(at, view.getUint8(at) | bits);

export interface SuperBlocks {
  readonly bytes: number;
  readonly encodeBlock: (own: Float32Array, target: DataView, at: number) => void;
  readonly decodeBlock: (source: DataView, at: number, own: Float32Array) => void;
}

/** Block by block. */
export const superCodec = ({ bytes, encodeBlock, decodeBlock }: SuperBlocks): Codec => {
  const each = (values: Float32Array, visit: (own: Float32Array, at: number) => void): void => {
    for (let block = 0; block * superValues < values.length; block += 1)
      visit(values.subarray(block * superValues, (block + 1) * superValues), block * bytes);
  };
  return {
    encode: (values, target) => each(values, (own, at) => encodeBlock(own, target, at)),
    decode: (source, values) => each(values, (own, at) => decodeBlock(source, at, own)),
  };
};
