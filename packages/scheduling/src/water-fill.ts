/**
 * Divides one amount among siblings: first what each deserves (as far as it asks), then the rest by
 * weight among those who still ask (water filling; the hierarchical form of DRF, NSDI'11, for one resource).
 */
export interface Claimant {
  asked: number;
  deserved: number;
  weight: number;
}

export function waterFill(total: number, claimants: readonly Claimant[]): number[] {
  const given = claimants.map(({ asked, deserved }) => Math.min(asked, deserved));
  let rest = total - given.reduce((sum, amount) => sum + amount, 0);
  const wants = (at: number): number => claimants[at]!.asked - given[at]!;
  let hungry = [...claimants.keys()].filter((at) => wants(at) > 0);
  // Each round satisfies at least one or gives everything away.
  while (rest > 1e-9 && hungry.length > 0) {
    const weights = hungry.reduce((sum, at) => sum + claimants[at]!.weight, 0);
    if (weights <= 0) break;
    const round = rest;
    for (const at of hungry) {
      const more = Math.min((round * claimants[at]!.weight) / weights, wants(at));
      given[at]! += more;
      rest -= more;
    }
    const left = hungry.filter((at) => wants(at) > 1e-9);
    if (left.length === hungry.length) break;
    hungry = left;
  }
  return given;
}
