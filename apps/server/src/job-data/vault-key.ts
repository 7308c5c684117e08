/** The key that seals secrets: 32 random bytes in a file only the server's user can read, made at first use. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GantryError } from '@gantry/contract';
import { vaultKeyBytes } from '@gantry/control';

export async function loadVaultKey(dataDir: string): Promise<Uint8Array> {
  const file = join(dataDir, 'keys', 'secrets.key');
  const known = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (known === undefined) {
    const key = randomBytes(vaultKeyBytes);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, key, { mode: 0o600, flag: 'wx' });
    return key;
  }
  if (known.length !== vaultKeyBytes)
    throw new GantryError('data_invalid', `${file} is no key: it has ${known.length} bytes`, {
      hint: 'restore it from a backup; without it the stored secrets cannot be opened',
    });
  await chmod(file, 0o600);
  return known;
}
