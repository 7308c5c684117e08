/** The certificate and its key, tried out before anything is started with them. */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { GantryError } from '@gantry/contract';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export async function readTls({ certFile, keyFile }: TlsFiles): Promise<TlsPair> {
  const [cert, key] = [await readPem(certFile, '--tls-cert'), await readPem(keyFile, '--tls-key')];
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new GantryError('bad_request', `${certFile} and ${keyFile} are no certificate with its key`, {
      hint: `--tls-cert takes the certificate, with its chain, and --tls-key its private key without a passphrase, both PEM: ${(error as Error).message}`,
      cause: error,
    });
  }
  return { cert, key };
}

async function readPem(file: string, option: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new GantryError(
      'bad_request',
      `${option} ${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      { hint: 'name a PEM file that the user of the server may read', cause: error },
    );
  }
}
