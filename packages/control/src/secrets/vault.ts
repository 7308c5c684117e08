/**
 * Seals secrets for the store: AES-256-GCM (NIST SP 800-38D) under the server's key, a fresh nonce each time. Tenant
 * and name are authenticated with it, so a sealed value put into another row does not open.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { GantryError } from '@gantry/contract';

export interface SecretPlace {
  readonly tenantId: string;
  readonly name: string;
}

export interface Vault {
  seal(place: SecretPlace, value: string): string;
  /** Throws when it was sealed for another place, under another key, or was changed. */
  open(place: SecretPlace, sealed: string): string;
  /** For whoever is told it, the same each time under one key; it says nothing of the key or of other names. */
  tokenFor(name: string): string;
}

export const vaultKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export function createVault(key: Uint8Array): Vault {
  if (key.length !== vaultKeyBytes) throw new RangeError(`a vault key has ${vaultKeyBytes} bytes`);
  const about = ({ tenantId, name }: SecretPlace): Buffer => Buffer.from(`${tenantId}/${name}`);
  return {
    tokenFor: (name) => createHmac('sha256', key).update(`token ${name}`).digest('base64url'),
    seal: (place, value) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(about(place));
      const body = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')}`;
    },
    open: (place, sealed) => {
      try {
        if (!sealed.startsWith('v1.')) throw new Error('unknown form');
        const bytes = Buffer.from(sealed.slice(3), 'base64');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        })
          .setAAD(about(place))
          .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
        const body = bytes.subarray(nonceBytes + tagBytes);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch (error) {
        throw new GantryError(
          'internal',
          `the secret "${place.name}" cannot be opened with this server's key`,
          {
            hint: `set it again: gantry secret set ${place.name}`,
            cause: error,
          },
        );
      }
    },
  };
}
