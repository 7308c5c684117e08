/**
 * A text as a point: words and pairs of neighbours hashed into a few signed counts (Weinberger et al. 2009, "Feature
 * hashing"), of length one. Texts about the same things lie near each other; what was said cannot be read from it.
 * One pass without an object a word: it runs beside the hot path.
 */
const dimensions = 64;
/** FNV-1a, over code units. */
const [offset, prime] = [0x81_1c_9d_c5, 0x01_00_01_93];

/** Undefined for a text without words. */
export function sketchText(text: string): Float32Array | undefined {
  const lower = text.toLowerCase();
  const sketch = new Float32Array(dimensions);
  let [hash, before, hasWord] = [offset, 0, false];
  for (let at = 0; at <= lower.length; at++) {
    const code = at === lower.length ? 0 : lower.charCodeAt(at);
    if (isOfWord(code)) {
      hash = Math.imul(hash ^ code, prime);
      hasWord = true;
    } else if (hasWord) {
      const word = mixed(hash);
      add(sketch, word);
      if (before !== 0) add(sketch, mixed(Math.imul(before, 31) ^ word));
      [hash, before, hasWord] = [offset, word, false];
    }
  }
  let squares = 0;
  for (let at = 0; at < dimensions; at++) squares += (sketch[at] as number) ** 2;
  if (squares === 0) return undefined;
  const scale = 1 / Math.sqrt(squares);
  for (let at = 0; at < dimensions; at++) sketch[at] = (sketch[at] as number) * scale;
  return sketch;
}

/** Letters and digits; beyond ASCII all but spaces, signs and punctuation. */
function isOfWord(code: number): boolean {
  if (code < 0x80) return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
  return !(code < 0xc0 || (code >= 0x20_00 && code <= 0x20_6f) || (code >= 0x30_00 && code <= 0x30_3f));
}

function add(sketch: Float32Array, hash: number): void {
  const at = (hash >>> 1) % dimensions;
  sketch[at] = (sketch[at] as number) + ((hash & 1) === 0 ? 1 : -1);
}

/** MurmurHash3's last mix: every bit of the hash decides. */
function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2_b2_ae_35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
