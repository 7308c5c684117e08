/** What a conversion leaves: small files whole, the weights of a large model piece by piece. */
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FilePieces } from '@gantry/formats';

export type MadeFile = { readonly name: string } & ({ readonly bytes: Uint8Array | string } | FilePieces);

export const sizeOf = (file: MadeFile): number =>
  'pieces' in file ? file.bytes : Buffer.byteLength(file.bytes);

/** Aside first: what is read while it is made may be the file that it replaces. */
export async function writeMade(folder: string, file: MadeFile): Promise<void> {
  const path = join(folder, file.name);
  await mkdir(dirname(path), { recursive: true });
  if (!('pieces' in file)) {
    await writeFile(path, file.bytes);
    return;
  }
  const aside = `${path}.${process.pid}.part`;
  try {
    await writePieces(aside, file);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

async function writePieces(path: string, file: FilePieces): Promise<void> {
  await using handle = await open(path, 'w');
  for (const { offset, bytes } of file.pieces())
    for (let at = 0; at < bytes.byteLength;)
      at += (await handle.write(bytes, at, bytes.byteLength - at, offset + at)).bytesWritten;
  // What is padding at the end is told by no piece.
  await handle.truncate(file.bytes);
}
