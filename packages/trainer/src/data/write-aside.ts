import { rename, writeFile } from 'node:fs/promises';

/** The file is there whole or not at all, also after a crash of the machine. */
export async function writeAside(path: string, bytes: string | Uint8Array): Promise<void> {
  const aside = `${path}.${process.pid}.part`;
  await writeFile(aside, bytes, { flush: true });
  await rename(aside, path);
}
