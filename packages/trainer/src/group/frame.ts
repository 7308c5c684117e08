/** What travels between two ranks: a 20-byte header (magic, kind, channel, number, length) and a payload. */
export const frameHeaderBytes = 20;
const magic = 0x47414e54;

/** `probe` asks how far a rank has come on a channel; `answer` says it in `number`. */
const frameKinds = { data: 1, abort: 2, farewell: 3, hello: 4, probe: 5, answer: 6 } as const;
export type FrameKind = keyof typeof frameKinds;
const kindNames = Object.keys(frameKinds) as FrameKind[];

export interface FrameHeader {
  readonly kind: FrameKind;
  /** Which group of ranks speaks; several share one link. */
  readonly channel: number;
  readonly number: number;
  readonly byteLength: number;
}

/** A control message; a data frame is as long as the collective says. */
const controlLimitBytes = 4096;

export function encodeHeader({ kind, channel, number, byteLength }: FrameHeader): Uint8Array {
  const view = new DataView(new ArrayBuffer(frameHeaderBytes));
  view.setUint32(0, magic);
  view.setUint32(4, frameKinds[kind]);
  view.setUint32(8, channel);
  view.setUint32(12, number);
  view.setUint32(16, byteLength);
  return new Uint8Array(view.buffer);
}

export function decodeHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = kindNames.find((name) => frameKinds[name] === view.getUint32(4));
  const byteLength = view.getUint32(16);
  if (view.getUint32(0) !== magic || kind === undefined) throw new Error('not a frame of a Gantry rank');
  if (kind !== 'data' && byteLength > controlLimitBytes) throw new Error('a control frame is too long');
  return { kind, channel: view.getUint32(8), number: view.getUint32(12), byteLength };
}
