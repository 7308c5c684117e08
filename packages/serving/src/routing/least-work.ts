/** What a router knows of one replica's outstanding work. Tokens still to be computed weigh; requests break ties. */
export interface ReplicaLoad {
  readonly pendingTokens: number;
  readonly inFlight: number;
}

/**
 * The replica with the least outstanding work. `start` rotates the scan, so equals take turns instead of the
 * first one always winning.
 */
export function leastWork<T extends ReplicaLoad>(replicas: readonly T[], start = 0): T | undefined {
  let best: T | undefined;
  for (let i = 0; i < replicas.length; i++) {
    const candidate = replicas[(start + i) % replicas.length];
    if (candidate !== undefined && (best === undefined || isLighter(candidate, best))) best = candidate;
  }
  return best;
}

function isLighter(a: ReplicaLoad, b: ReplicaLoad): boolean {
  return (
    a.pendingTokens < b.pendingTokens || (a.pendingTokens === b.pendingTokens && a.inFlight < b.inFlight)
  );
}
