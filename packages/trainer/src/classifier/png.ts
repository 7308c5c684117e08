/**
 * Pixels of a PNG (W3C PNG, third edition): 8 bits a sample, grey, RGB, palette, with or without alpha, which is left
 * out; not interlaced. Throws a sentence for what is none of these. Checksums are not read: the stream's own is.
 */
import { inflateSync } from 'node:zlib';

export interface Pixels {
  /** 1 grey or 3 colours. */
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** [channels, height, width] */
  readonly values: Uint8Array;
}

const signature = '89504e470d0a1a0a';
/** Samples a pixel by colour type. */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const largestSide = 4096;

export function decodePng(file: Buffer): Pixels {
  if (file.subarray(0, 8).toString('hex') !== signature) throw new Error('it is no PNG');
  let header: Buffer | undefined;
  let palette: Buffer | undefined;
  const data: Buffer[] = [];
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at);
    const kind = file.toString('latin1', at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + length);
    if (body.length < length) throw new Error('it ends in the middle');
    if (kind === 'IHDR') header = body;
    if (kind === 'PLTE') palette = body;
    if (kind === 'IDAT') data.push(body);
    if (kind === 'IEND') break;
    at += 12 + length;
  }
  if (header === undefined || header.length < 13) throw new Error('it has no header');
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [bits, colour, interlace] = [header[8], header[9] as number, header[12]];
  const samples = samplesOf[colour];
  if (samples === undefined || bits !== 8 || interlace !== 0)
    throw new Error('only 8-bit PNGs that are not interlaced can be read');
  if (width < 1 || height < 1 || width > largestSide || height > largestSide)
    throw new Error(`it is ${width} × ${height}; up to ${largestSide} a side can be read`);
  const stride = width * samples;
  const raw = inflateSync(Buffer.concat(data), { maxOutputLength: (stride + 1) * height });
  if (raw.length !== (stride + 1) * height) throw new Error('it holds fewer pixels than its header says');
  const lines = unfilter(raw, height, stride, samples);
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const values = new Uint8Array(channels * height * width);
  for (let place = 0; place < height * width; place += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const sample = lines[place * samples + (colour === 3 ? 0 : channel)] as number;
      values[channel * height * width + place] =
        colour === 3 ? (palette?.[sample * 3 + channel] ?? 0) : sample;
    }
  }
  return { channels, height, width, values };
}

/** Each line names its filter and holds differences from its neighbours (§9). */
function unfilter(raw: Buffer, height: number, stride: number, samples: number): Uint8Array {
  const lines = new Uint8Array(height * stride);
  for (let row = 0; row < height; row += 1) {
    const filter = raw[row * (stride + 1)] as number;
    if (filter > 4) throw new Error('a line of it has an unknown filter');
    for (let at = 0; at < stride; at += 1) {
      const here = row * stride + at;
      const left = at < samples ? 0 : (lines[here - samples] as number);
      const up = row === 0 ? 0 : (lines[here - stride] as number);
      const corner = row === 0 || at < samples ? 0 : (lines[here - stride - samples] as number);
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] as number;
      lines[here] = (raw[row * (stride + 1) + 1 + at] as number) + guess;
    }
  }
  return lines;
}

/** The neighbour nearest to left + up − corner. */
function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
