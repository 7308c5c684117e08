/** A share of traffic; weights are relative, they need not sum to 100. Zero takes none. */
export interface Weighted {
  readonly weight: number;
}

/**
 * The arm that owns `point` of [0, 1) when the arms lie side by side in order. With a sticky point a user keeps
 * their arm while weights only grow at the boundary: raising the last arm from 5 to 10 % moves just that 5 %.
 */
export function splitByWeight<T extends Weighted>(arms: readonly T[], point: number): T | undefined {
  let total = 0;
  for (const arm of arms) total += Math.max(0, arm.weight);
  if (!(total > 0)) return undefined;
  let left = point * total;
  let last: T | undefined;
  for (const arm of arms) {
    if (!(arm.weight > 0)) continue;
    last = arm;
    left -= arm.weight;
    if (left < 0) return arm;
  }
  return last;
}

/** A point of [0, 1) that depends on the key alone (FNV-1a, then murmur3's finaliser): same user, same arm, on every gateway. */
export function stickyPoint(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 0x1_0000_0000;
}
