/**
 * Identifiers that sort by creation time: `<prefix>_<48-bit milliseconds><80 random bits>` in Crockford
 * base 32 (the ULID layout), lower case so that they are safe in file and host names.
 */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export function createId(prefix: string, nowMs: number = Date.now()): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  let time = '';
  for (let rest = nowMs, index = 0; index < 10; index += 1) {
    time = (alphabet[rest % 32] ?? '0') + time;
    rest = Math.floor(rest / 32);
  }
  let tail = '';
  for (const byte of random) tail += alphabet[byte % 32] ?? '0';
  return `${prefix}_${time}${tail}`;
}
