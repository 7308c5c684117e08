/**
 * Secrets out of a log on its way to a reader: every byte of one becomes a star, so offsets stay true. The end of a
 * chunk that may be the beginning of a secret waits for the next.
 */
const star = 42;
const shortest = 4;

export async function* maskStream(
  chunks: AsyncIterable<Uint8Array>,
  secrets: readonly string[],
): AsyncIterable<Uint8Array> {
  const needles = [...new Set(secrets.flatMap((secret) => [secret, secret.trim()]))]
    .map((secret) => Buffer.from(secret))
    .filter(({ length }) => length >= shortest)
    .sort((one, other) => other.length - one.length);
  if (needles.length === 0) {
    yield* chunks;
    return;
  }
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const text = Buffer.concat([rest, chunk]);
    for (const needle of needles) {
      for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + needle.length))
        text.fill(star, at, at + needle.length);
    }
    const held = openLength(text, needles);
    if (text.length > held) yield text.subarray(0, text.length - held);
    rest = Buffer.from(text.subarray(text.length - held));
  }
  if (rest.length > 0) yield rest;
}

/** How much of the end could be the beginning of a secret. */
function openLength(text: Buffer, needles: readonly Buffer[]): number {
  let longest = 0;
  for (const needle of needles) {
    for (let length = Math.min(needle.length - 1, text.length); length > longest; length -= 1) {
      if (text.subarray(text.length - length).equals(needle.subarray(0, length))) longest = length;
    }
  }
  return longest;
}
