/**
 * Tensors of an Open Inference Protocol body, to be looked at in a few places: JSON values, or raw bytes behind the
 * JSON where the binary extension is used. Never throws: a body that is not one has no tensors.
 */
import { inferTensor } from '@gantry/contract/foreign/oip';
import type { SketchedTensor } from '@gantry/serving';
import { parseJson } from '../http/parse-json.ts';
import { peekTensors } from './peek-tensors.ts';

/** Longer JSON is not parsed, which would cost more than to relay it, but looked into in a few places. */
const maxJsonBytes = 64 * 1024;
const mostTensors = 8;
const mostNameChars = 64;

type Read = (view: DataView, index: number) => number;

/** Bytes of a value, and how to read the one at an index. All little-endian. */
const values: Readonly<Record<string, readonly [number, Read]>> = {
  BOOL: [1, (view, index) => view.getUint8(index)],
  UINT8: [1, (view, index) => view.getUint8(index)],
  INT8: [1, (view, index) => view.getInt8(index)],
  UINT16: [2, (view, index) => view.getUint16(2 * index, true)],
  INT16: [2, (view, index) => view.getInt16(2 * index, true)],
  FP16: [2, (view, index) => view.getFloat16(2 * index, true)],
  BF16: [2, (view, index) => bfloat16(view.getUint16(2 * index, true))],
  UINT32: [4, (view, index) => view.getUint32(4 * index, true)],
  INT32: [4, (view, index) => view.getInt32(4 * index, true)],
  FP32: [4, (view, index) => view.getFloat32(4 * index, true)],
  UINT64: [8, (view, index) => Number(view.getBigUint64(8 * index, true))],
  INT64: [8, (view, index) => Number(view.getBigInt64(8 * index, true))],
  FP64: [8, (view, index) => view.getFloat64(8 * index, true)],
};

export interface ReadTensors {
  readonly tensors: readonly SketchedTensor[];
  /** There are more, too many or too large to be looked into. */
  readonly isPartial: boolean;
}

export function readTensors(
  body: Buffer,
  jsonLength: string | string[] | undefined,
  field: 'inputs' | 'outputs',
): ReadTensors {
  const isBinary = typeof jsonLength === 'string';
  const jsonBytes = isBinary ? Number(jsonLength) : body.length;
  if (!(jsonBytes <= body.length)) return none;
  if (jsonBytes > maxJsonBytes) {
    if (isBinary) return { tensors: [], isPartial: true };
    const { tensors, isWhole } = peekTensors(body, field, mostTensors);
    return {
      tensors: tensors.map((tensor) => ({ ...tensor, name: tensor.name.slice(0, mostNameChars) })),
      isPartial: !isWhole,
    };
  }
  const listed = listOf(body.subarray(0, jsonBytes), field);
  const tensors = tensorsOf(listed.slice(0, mostTensors), body, jsonBytes);
  return { tensors, isPartial: listed.length > mostTensors };
}

const none: ReadTensors = { tensors: [], isPartial: false };

/** Up to the first that is none. `offset`: where raw values begin. */
function tensorsOf(listed: readonly unknown[], body: Buffer, offset: number): readonly SketchedTensor[] {
  const found: SketchedTensor[] = [];
  for (const each of listed) {
    const { data: tensor } = inferTensor.safeParse(each);
    if (tensor === undefined) return found;
    const { datatype, shape, data, parameters } = tensor;
    const name = tensor.name.slice(0, mostNameChars);
    const size = parameters?.['binary_data_size'];
    if (data !== undefined) found.push({ name, datatype, shape, ...ofJson(data) });
    else if (typeof size === 'number' && size >= 0 && offset + size <= body.length) {
      found.push({ name, datatype, shape, ...ofRaw(datatype, body.subarray(offset, offset + size)) });
      offset += size;
    } else return found;
  }
  return found;
}

function listOf(json: Buffer, field: string): readonly unknown[] {
  try {
    const list = (parseJson(json) as Readonly<Record<string, unknown>> | null)?.[field];
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

type Values = Pick<SketchedTensor, 'count' | 'at'>;

function ofJson(data: readonly unknown[]): Values {
  const flat = data.flat(16);
  const at = (index: number): number | string => {
    const value = flat[index];
    if (typeof value === 'string') return value;
    // What is not finite has no number in JSON.
    return value === null ? NaN : Number(value);
  };
  return { count: flat.length, at };
}

function ofRaw(datatype: string, raw: Buffer): Values {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const kind = values[datatype];
  if (kind !== undefined) {
    const [bytes, read] = kind;
    return { count: Math.floor(raw.length / bytes), at: (index) => read(view, index) };
  }
  // BYTES: each text behind its length. The first is enough to see what is talked about.
  if (raw.length < 4) return { count: 0, at: () => 0 };
  const first = raw.toString('utf8', 4, Math.min(raw.length, 4 + view.getUint32(0, true)));
  return { count: 1, at: () => first };
}

const bits = new DataView(new ArrayBuffer(4));
/** The upper half of a float32. */
function bfloat16(half: number): number {
  bits.setUint32(0, half << 16);
  return bits.getFloat32(0);
}
