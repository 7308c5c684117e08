/** A peer is gone or silent: no fault of the user, so the attempt is repeated for free (exit 75). */
export class RankLostError extends Error {
  /** The rank to look at: the one that died or never came, not the one that noticed. */
  readonly rank: number;
  /** What this rank should exit with; the cause's own code when the lost rank could still tell it. */
  readonly exitCode: number;

  constructor(rank: number, message: string, exitCode = 75) {
    super(message);
    this.name = 'RankLostError';
    this.rank = rank;
    this.exitCode = exitCode;
  }
}

/** `verb` is for one rank and for several: ['has', 'have']. */
export function ranksMissing(
  ranks: readonly number[],
  verb: readonly [string, string],
  rest: string,
): RankLostError {
  const isOne = ranks.length === 1;
  const names = `${isOne ? 'Rank' : 'Ranks'} ${ranks.join(', ')}`;
  return new RankLostError(ranks[0] ?? 0, `${names} ${isOne ? verb[0] : verb[1]} ${rest}`);
}
