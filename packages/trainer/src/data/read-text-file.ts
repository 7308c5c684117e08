import { readFile } from 'node:fs/promises';
import { DataError } from './data-error.ts';
import type { FoundFile } from './find-files.ts';

/** A file is read whole; larger ones belong split. */
const fileLimitBytes = 512 * 1024 * 1024;

export async function readTextFile(file: FoundFile): Promise<Uint8Array> {
  const bytes = await readFile(file.absolutePath).catch((cause: unknown) => {
    throw new DataError('data_missing', `${file.path} cannot be read.`, 'Check its permissions.', cause);
  });
  if (bytes.byteLength <= fileLimitBytes) return bytes;
  throw new DataError('data_invalid', `${file.path} is larger than 512 MiB.`, 'Split it into smaller files.');
}
