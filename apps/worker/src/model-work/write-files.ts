/** What a conversion leaves: small files whole, the weights of a large model piece by piece. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { OnnxDataFile } from '@gantry/formats/onnx';

export type MadeFile = { readonly name: string; readonly bytes: Uint8Array | string } | OnnxDataFile;

export const sizeOf = (file: MadeFile): number =>
  'pieces' in file ? file.bytes : Buffer.byteLength(file.bytes);

export async function writeMade(folder: string, file: MadeFile): Promise<void> {
  const path = join(folder, file.name);
  await mkdir(dirname(path), { recursive: true });
  if (!('pieces' in file)) {
    await writeFile(path, file.bytes);
    return;
  }
  await using handle = await open(path, 'w');
  for (const { offset, bytes } of file.pieces())
    for (let at = 0; at < bytes.byteLength;)
      at += (await handle.write(bytes, at, bytes.byteLength - at, offset + at)).bytesWritten;
}
