/**
 * Prefix affinity with a saturation valve (the llm-d router's recipe, blog 2026-08-17): prefer replicas that
 * hold nearly the longest cached prefix; among those the least uncached work; give affinity up when the warm
 * replica is more than `valveTokens` behind the coldest, because then waiting costs more than recomputing.
 * `valveTokens` = peak prefill tokens/s × the longest wait one would accept for a warm cache.
 */
export interface AffinityCandidate {
  /** Prompt tokens in flight there that no cache holds and that are not yet computed. */
  readonly pendingTokens: number;
  /** Prompt tokens of this request believed to be cached there. */
  readonly cachedTokens: number;
}

export interface AffinityPolicy {
  /** How many prompt tokens further behind than the least loaded a warm replica may be. */
  readonly valveTokens: number;
  /** A replica is warm when it holds at least this share of what the warmest holds. */
  readonly warmShare: number;
}

export interface AffinityChoice {
  /** Among the candidates. */
  readonly index: number;
  /** Why, for the debug header. */
  readonly reason: 'only' | 'warm' | 'valve' | 'cold';
}

export const defaultAffinityPolicy: AffinityPolicy = { valveTokens: 32_000, warmShare: 0.8 };

/** `turn` rotates ties. The list must not be empty. */
export function chooseByAffinity(
  candidates: readonly AffinityCandidate[],
  promptTokens: number,
  policy: AffinityPolicy = defaultAffinityPolicy,
  turn = 0,
): AffinityChoice {
  if (candidates.length === 1) return { index: 0, reason: 'only' };
  let most = 0;
  let fewest = Number.POSITIVE_INFINITY;
  for (const { cachedTokens } of candidates) {
    most = Math.max(most, cachedTokens);
    fewest = Math.min(fewest, cachedTokens);
  }
  // What every replica holds (a system prompt that all share) draws a request nowhere.
  const hasWarm = most > fewest;
  const threshold = hasWarm ? fewest + (most - fewest) * policy.warmShare : Number.POSITIVE_INFINITY;
  const warm = cheapest(candidates, promptTokens, turn, threshold);
  const any = cheapest(candidates, promptTokens, turn, Number.NEGATIVE_INFINITY);
  if (warm === undefined || any === undefined) return { index: any ?? 0, reason: 'cold' };
  const lead = (candidates[warm]?.pendingTokens ?? 0) - leastPending(candidates);
  return lead > policy.valveTokens ? { index: any, reason: 'valve' } : { index: warm, reason: 'warm' };
}

/** Lowest cost among those that hold at least `threshold`: work before it plus its own uncached part. */
function cheapest(
  candidates: readonly AffinityCandidate[],
  promptTokens: number,
  turn: number,
  threshold: number,
): number | undefined {
  let best: number | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) {
    const index = (turn + i) % candidates.length;
    const candidate = candidates[index];
    if (candidate === undefined || candidate.cachedTokens < threshold) continue;
    const cost = candidate.pendingTokens + Math.max(0, promptTokens - candidate.cachedTokens);
    if (cost < bestCost) {
      best = index;
      bestCost = cost;
    }
  }
  return best;
}

function leastPending(candidates: readonly AffinityCandidate[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { pendingTokens } of candidates) least = Math.min(least, pendingTokens);
  return least;
}
