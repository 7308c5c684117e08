/**
 * A model whose weights may be too many for one file: protobuf ends at 2 GiB. What is left over lies in a second file
 * beside it, each tensor at a multiple of the page size, so that ONNX Runtime maps it (onnx/docs/ExternalData.md).
 */
import type { FilePieces } from '../file-pieces.ts';
import { encodeOnnxModel, type OnnxLateData, type OnnxModel, type OnnxTensor } from './onnx-model.ts';

export interface OnnxFiles {
  readonly file: Uint8Array<ArrayBuffer>;
  /** Absent where everything is in the first. */
  readonly data?: OnnxDataFile;
}

export interface OnnxDataFile extends FilePieces {
  readonly name: string;
}

const pageBytes = 4_096;
/** Below this a tensor stays with the graph: shapes and axes must be there for ONNX Runtime to follow them. */
const smallBytes = 1_024;
const defaultInlineBytes = 3 * 2 ** 29;

/** `name` is relative to the model's folder; `mostInlineBytes` of weights stay in one file. */
export function splitOnnxModel(
  model: OnnxModel,
  name: string,
  mostInlineBytes: number = defaultInlineBytes,
): OnnxFiles {
  const late = model.initializers.flatMap((tensor) => ('make' in tensor.data ? [tensor.data] : []));
  if (late.reduce((sum, { bytes }) => sum + bytes, 0) <= mostInlineBytes)
    return { file: encodeOnnxModel(model) };
  const places = new Map<string, { readonly offset: number; readonly data: OnnxLateData }>();
  let end = 0;
  const initializers = model.initializers.map((tensor): OnnxTensor => {
    const { data } = tensor;
    if (!('make' in data) || data.bytes < smallBytes) return tensor;
    const offset = Math.ceil(end / pageBytes) * pageBytes;
    end = offset + data.bytes;
    places.set(tensor.name, { offset, data });
    return { ...tensor, data: { type: 'float32', location: name, offset, bytes: data.bytes } };
  });
  return {
    file: encodeOnnxModel({ ...model, initializers }),
    data: {
      name,
      bytes: end,
      *pieces() {
        for (const { offset, data } of places.values()) {
          let at = offset;
          for (const { buffer, byteOffset, byteLength } of data.strips?.() ?? [data.make()]) {
            yield { offset: at, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
            at += byteLength;
          }
        }
      },
    },
  };
}
