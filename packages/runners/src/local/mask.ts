/**
 * Secrets out of what a worker printed. Each byte of a secret becomes a star, so that offsets stay what they were.
 * Values under four bytes are left: masking every "1" would hide nothing and spoil all.
 */
export type Mask = (bytes: Buffer) => Buffer;

const shortest = 4;

export function createMask(values: readonly string[]): Mask {
  const needles = [...new Set(values.flatMap((value) => [value, value.trim()]))]
    .map((value) => Buffer.from(value))
    .filter(({ length }) => length >= shortest)
    .sort((one, other) => other.length - one.length);
  return (bytes) => {
    if (needles.length === 0) return bytes;
    const result = Buffer.from(bytes);
    for (const needle of needles) {
      for (let at = result.indexOf(needle); at !== -1; at = result.indexOf(needle, at + needle.length)) {
        result.fill('*', at, at + needle.length);
      }
    }
    return result;
  };
}
