/** Files of offloaded state: one lives until neither the state nor a checkpoint that is made of it needs it. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

export interface Generation {
  readonly path: string;
  readonly file: FileHandle;
  users: number;
}

/** Every kind begins at a whole number of these: so checkpoints can name its blocks. */
const alignBytes = 1024 * 1024;

export function strideBytes(length: number): number {
  return Math.ceil((length * 4) / alignBytes) * alignBytes;
}

export async function openGeneration(
  { directory, rank }: { readonly directory: string; readonly rank: number },
  number: number,
  bytes: number,
): Promise<Generation> {
  const path = join(directory, `rank-${rank}.${number}.bin`);
  await rm(path, { force: true });
  const file = await open(path, 'w+');
  await file.truncate(bytes);
  return { path, file, users: 1 };
}

/** By the state itself and by each checkpoint that is being made of it. */
export async function release(generation: Generation): Promise<void> {
  generation.users -= 1;
  if (generation.users > 0) return;
  await generation.file.close();
  await rm(generation.path, { force: true });
}

export async function readWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let read = 0; read < bytes.length;) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, position + read);
    if (bytesRead === 0) throw new Error('the file of offloaded state is cut short');
    read += bytesRead;
  }
}

export async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
