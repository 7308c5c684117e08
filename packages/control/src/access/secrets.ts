/**
 * Secrets of keys and invitations. Only a SHA-256 is stored: a secret has 160 random bits, so a slow hash
 * would protect nothing. Compared in constant time.
 */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export function createSecret(): string {
  let secret = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(32))) secret += alphabet[byte % 32] ?? '0';
  return secret;
}

export async function hashSecret(secret: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret));
  return Buffer.from(bytes).toString('hex');
}

export function isSame(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index += 1)
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index);
  return difference === 0;
}
