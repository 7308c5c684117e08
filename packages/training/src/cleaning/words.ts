/** Words as the rules below count them, and the hashes they share. */

/** Letters and digits of any script, lower case; everything else only separates. */
export function normalWords(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** FNV-1a over UTF-16 units, 32 bits. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** 52 bits: few enough for a number, enough that a billion of them hardly meet by chance. */
export function wideHash(text: string): number {
  return hashText(text) * 2 ** 20 + (mix(hashText(text, 0x9e3779b1)) >>> 12);
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the output. */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Each run of `size` words once for each place; a shorter text is one run. */
export function* wordRuns(words: readonly string[], size: number): Generator<string> {
  if (words.length <= size) {
    if (words.length > 0) yield words.join(' ');
    return;
  }
  for (let at = 0; at + size <= words.length; at += 1) yield words.slice(at, at + size).join(' ');
}
