/** A PNG for tests: `lines` are its scan lines without their filter byte; line n is stored with filter n modulo 5. */
import { crc32, deflateSync } from 'node:zlib';

export function writePng(
  lines: readonly (readonly number[])[],
  { samples, colour, palette }: { samples: number; colour: number; palette?: readonly number[] },
): Buffer {
  const stride = lines[0]?.length ?? 0;
  const at = (row: number, column: number): number => (column < 0 ? 0 : (lines[row]?.[column] ?? 0));
  const raw = lines.flatMap((line, row) => {
    const filter = row % 5;
    return [
      filter,
      ...line.map((value, column) => {
        const [left, up] = [at(row, column - samples), at(row - 1, column)];
        const corner = at(row - 1, column - samples);
        const p = left + up - corner;
        const [a, b, c] = [p - left, p - up, p - corner].map(Math.abs) as [number, number, number];
        const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
        const guess = [0, left, up, Math.floor((left + up) / 2), paeth][filter] as number;
        return (value - guess + 256) % 256;
      }),
    ];
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(stride / samples, 0);
  header.writeUInt32BE(lines.length, 4);
  header.set([8, colour, 0, 0, 0], 8);
  const chunk = (kind: string, body: Uint8Array): Buffer => {
    const inner = Buffer.concat([Buffer.from(kind, 'latin1'), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc32(inner));
    return Buffer.concat([length, inner, sum]);
  };
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    ...(palette === undefined ? [] : [chunk('PLTE', Uint8Array.from(palette))]),
    chunk('IDAT', deflateSync(Uint8Array.from(raw))),
    chunk('IEND', new Uint8Array()),
  ]);
}
