/** Writes protobuf wire format (varint, fixed32, length-delimited): all that an ONNX file is made of. */
export interface ProtobufWriter {
  integer(field: number, value: number): void;
  float(field: number, value: number): void;
  text(field: number, value: string): void;
  bytes(field: number, value: Uint8Array): void;
  /** Repeated 64-bit integers, packed; values must be exact in a double. */
  packedIntegers(field: number, values: readonly number[]): void;
  packedFloats(field: number, values: readonly number[]): void;
  message(field: number, write: (writer: ProtobufWriter) => void): void;
  /** A field that is encoded already, tag and all. */
  raw(field: Uint8Array): void;
  finish(): Uint8Array<ArrayBuffer>;
}

const wire = { varint: 0, delimited: 2, fixed32: 5 } as const;
const encoder = new TextEncoder();

export function createProtobufWriter(): ProtobufWriter {
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  const push = (piece: Uint8Array): void => {
    pieces.push(piece);
    byteLength += piece.byteLength;
  };
  const varint = (value: number): void => push(Uint8Array.from(varintBytes(value)));
  const tag = (field: number, type: number): void => varint(field * 8 + type);
  const delimited = (field: number, piece: Uint8Array): void => {
    tag(field, wire.delimited);
    varint(piece.byteLength);
    push(piece);
  };
  return {
    integer: (field, value) => {
      tag(field, wire.varint);
      varint(value);
    },
    float: (field, value) => {
      tag(field, wire.fixed32);
      push(floatBytes([value]));
    },
    text: (field, value) => delimited(field, encoder.encode(value)),
    bytes: delimited,
    packedIntegers: (field, values) => delimited(field, Uint8Array.from(values.flatMap(varintBytes))),
    packedFloats: (field, values) => delimited(field, floatBytes(values)),
    message: (field, write) => {
      const inner = createProtobufWriter();
      write(inner);
      delimited(field, inner.finish());
    },
    raw: push,
    finish: () => {
      const whole = new Uint8Array(byteLength);
      let offset = 0;
      for (const piece of pieces) {
        whole.set(piece, offset);
        offset += piece.byteLength;
      }
      return whole;
    },
  };
}

/** Negative numbers take ten bytes, as two's complement of 64 bits. */
function varintBytes(value: number): number[] {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no exact integer`);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

function floatBytes(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [index, value] of values.entries()) view.setFloat32(index * 4, value, true);
  return new Uint8Array(view.buffer);
}
