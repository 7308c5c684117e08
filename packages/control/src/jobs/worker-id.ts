/** A worker's id names its attempt and rank, so that whoever finds the worker knows whose it is. */
export const workerIdOf = (attemptId: string, rank: number): string => `${attemptId}-${rank}`;

export function parseWorkerId(workerId: string): { attemptId: string; rank: number } | undefined {
  const match = /^(att_[0-9a-z]{26})-(\d+)$/.exec(workerId);
  return match ? { attemptId: match[1] ?? '', rank: Number(match[2]) } : undefined;
}
