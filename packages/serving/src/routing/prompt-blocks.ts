/**
 * Chained keys of a prompt's leading blocks, from its text: the router has no tokeniser, and equal text is equal
 * tokens. `scope` (the tenant) is mixed in first, so a prompt of one tenant never matches another's.
 */
export function promptBlocks(
  scope: string,
  text: string,
  blockChars = 512,
  maxBlocks = 256,
): readonly string[] {
  const keys: string[] = [];
  let low = mix(0x811c9dc5, scope, 0, scope.length);
  let high = mix(0x9747b28c, scope, 0, scope.length);
  // A partial last block is no block: an engine caches whole ones only.
  const blocks = Math.min(maxBlocks, Math.floor(text.length / blockChars));
  for (let block = 0; block < blocks; block++) {
    const from = block * blockChars;
    low = mix(low, text, from, from + blockChars);
    high = mix(Math.imul(high, 0x85ebca6b) ^ block, text, from, from + blockChars);
    keys.push(`${(low >>> 0).toString(36)}.${(high >>> 0).toString(36)}`);
  }
  return keys;
}

function mix(seed: number, text: string, from: number, to: number): number {
  let hash = seed;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}
