/** The tensors of a checkpoint, read one by one when they are wanted: a model may be larger than the memory. */
import { FormatError, parseSafetensors, type SafetensorPlace } from '@gantry/formats';
import { decodeValues, hasCodec } from '../quantise/blocks.ts';
import { rowsOfStrip, stripsOf } from '../gguf/strips.ts';

/** A file whose pieces are read as they are needed. */
export interface FileBytes {
  readonly byteLength: number;
  read(offset: number, length: number): Uint8Array;
}

export interface WeightSource {
  readonly names: Iterable<string>;
  has(name: string): boolean;
  /** Row by row; throws where the tensor is missing or of another shape. */
  read(name: string, shape: readonly number[]): Float32Array;
  /** The same in strips of whole rows, a multiple of `step` each. */
  strips(name: string, shape: readonly number[], step?: number): Iterable<Float32Array>;
  /** Throws what `read` would, and reads nothing. */
  check(name: string, shape: readonly number[]): void;
}

/** Bytes in memory are a file too. */
export const opened = (given: FileBytes | Uint8Array): FileBytes =>
  'read' in given
    ? given
    : {
        byteLength: given.byteLength,
        read: (offset, length) => given.subarray(offset, offset + length),
      };

/** The shards of one model. */
export function safetensorsSource(files: readonly (FileBytes | Uint8Array)[]): WeightSource {
  const found = new Map<string, SafetensorPlace & { readonly file: FileBytes }>();
  for (const given of files) {
    const file = opened(given);
    for (const place of parseSafetensors(headerOf(file), file.byteLength).tensors)
      found.set(place.name, { ...place, file });
  }
  const placeOf = (name: string, shape: readonly number[]) => {
    const place = found.get(name);
    if (place === undefined || place.shape.join() !== shape.join())
      throw new FormatError(
        'format_invalid',
        `${name} is ${place?.shape.join('x') ?? 'missing'}; config.json wants ${shape.join('x')}.`,
      );
    const { dtype } = place;
    if (!hasCodec(dtype))
      throw new FormatError(
        'format_unsupported',
        `${name} is ${dtype}.`,
        'F32, F16 and BF16 weights are read.',
      );
    return { ...place, dtype };
  };
  return {
    names: found.keys(),
    has: (name) => found.has(name),
    check: (name, shape) => void placeOf(name, shape),
    read: (name, shape) => {
      const { file, dtype, offset, bytes } = placeOf(name, shape);
      return decodeValues(dtype, file.read(offset, bytes));
    },
    *strips(name, shape, step) {
      const { file, dtype, offset, bytes } = placeOf(name, shape);
      const rows = rowsOf(shape);
      for (const { from, count } of stripsOf(rows, rowsOfStrip(shape, step)))
        yield decodeValues(dtype, file.read(offset + (from * bytes) / rows, (count * bytes) / rows));
    },
  };
}

/** A vector is one row. */
export const rowsOf = (shape: readonly number[]): number =>
  shape.slice(0, -1).reduce((product, size) => product * size, 1);

/** Length and JSON; what the length claims is bounded by the file. */
function headerOf(file: FileBytes): Uint8Array {
  const start = file.read(0, Math.min(8, file.byteLength));
  if (start.byteLength < 8) return start;
  const claimed = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  return file.read(0, Math.min(file.byteLength, 8 + Number(claimed)));
}
