/** What travels between two ranks: a 16-byte header (magic, kind, sequence number, length) and a payload. */
export const frameHeaderBytes = 16;
const magic = 0x47414e54;

const frameKinds = { data: 1, abort: 2, farewell: 3 } as const;
export type FrameKind = keyof typeof frameKinds;

export interface FrameHeader {
  readonly kind: FrameKind;
  readonly sequence: number;
  readonly byteLength: number;
}

/** A control message; a data frame is as long as the collective says. */
const controlLimitBytes = 4096;

export function encodeHeader({ kind, sequence, byteLength }: FrameHeader): Uint8Array {
  const view = new DataView(new ArrayBuffer(frameHeaderBytes));
  view.setUint32(0, magic);
  view.setUint32(4, frameKinds[kind]);
  view.setUint32(8, sequence);
  view.setUint32(12, byteLength);
  return new Uint8Array(view.buffer);
}

export function decodeHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = (Object.keys(frameKinds) as FrameKind[]).find(
    (name) => frameKinds[name] === view.getUint32(4),
  );
  const byteLength = view.getUint32(12);
  if (view.getUint32(0) !== magic || kind === undefined) throw new Error('not a frame of a Gantry rank');
  if (kind !== 'data' && byteLength > controlLimitBytes) throw new Error('a control frame is too long');
  return { kind, sequence: view.getUint32(8), byteLength };
}
