/**
 * GPT-2's byte alphabet: each of the 256 bytes as one printable character, so that any byte sequence
 * can be written as a token string (openai/gpt-2, `bytes_to_unicode`). Printable Latin-1 maps to itself,
 * the rest to U+0100 and up in byte order.
 */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

const characters: string[] = [];
let nextSubstitute = 0x100;
for (let byte = 0; byte < 256; byte += 1) {
  characters.push(String.fromCharCode(isPrintable(byte) ? byte : nextSubstitute));
  if (!isPrintable(byte)) nextSubstitute += 1;
}

/** byte → its character. */
export const byteCharacters: readonly string[] = characters;

const byteByCharacter: ReadonlyMap<string, number> = new Map(
  characters.map((character, byte) => [character, byte]),
);

/** Token string → the bytes it stands for; undefined when a character is not of the alphabet. */
export function bytesOfToken(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let index = 0; index < token.length; index += 1) {
    const byte = byteByCharacter.get(token.charAt(index));
    if (byte === undefined) return undefined;
    bytes[index] = byte;
  }
  return bytes;
}
