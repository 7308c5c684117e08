/** A GGUF whose tensors are made one piece after the other while the file is written: it may be larger than the memory. */
import {
  FormatError,
  layoutGguf,
  parseGguf,
  type FilePieces,
  type GgufHeader,
  type GgufTensor,
  type GgufValue,
} from '@gantry/formats';
import { type FileBytes, opened, rowsOf } from '../decoder/weight-source.ts';
import { rowsOfStrip, stripsOf } from './strips.ts';

export interface LateTensor extends GgufTensor {
  /** Whole rows in order, as they lie in the file. */
  pieces(): Iterable<Uint8Array>;
}

export interface LateGguf {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly LateTensor[];
}

/** Metadata is some megabytes for the largest vocabularies; a file that claims more is read until it holds it. */
const firstHeaderBytes = 2 ** 23;

export function readGgufHeader(file: FileBytes): GgufHeader {
  for (let length = firstHeaderBytes; ; length *= 4) {
    try {
      return parseGguf(file.read(0, Math.min(length, file.byteLength)), file.byteLength);
    } catch (error) {
      // What a cut header claims may seem too much for it: only the whole file can tell.
      if (!(error instanceof FormatError) || length >= file.byteLength) throw error;
    }
  }
}

export function openGguf(given: FileBytes | Uint8Array): LateGguf {
  const file = opened(given);
  const { metadata, tensors } = readGgufHeader(file);
  return {
    metadata,
    tensors: tensors.map(({ name, shape, type, offset, bytes }) => ({
      name,
      shape,
      type,
      *pieces() {
        const rowBytes = bytes / rowsOf(shape);
        for (const { from, count } of stripsOf(rowsOf(shape), rowsOfStrip(shape)))
          yield file.read(offset + from * rowBytes, count * rowBytes);
      },
    })),
  };
}

export function ggufPieces({ metadata, tensors }: LateGguf): FilePieces {
  const { header, fileBytes, tensors: places } = layoutGguf(metadata, tensors);
  return {
    bytes: fileBytes,
    *pieces() {
      yield { offset: 0, bytes: header };
      for (const [index, tensor] of tensors.entries()) {
        const place = places[index];
        let offset = place?.offset ?? 0;
        for (const bytes of tensor.pieces()) {
          yield { offset, bytes };
          offset += bytes.byteLength;
        }
        const end = (place?.offset ?? 0) + (place?.bytes ?? 0);
        if (offset !== end) throw new RangeError(`${tensor.name} ends at ${offset}, its place at ${end}`);
      }
    },
  };
}
