/**
 * Kullback-Leibler divergence of two next-token distributions of which only the likeliest tokens are known: those
 * that both report, and all the rest as one. By the data processing inequality no more than the whole one.
 */
/** Of the smallest number in single precision: what engines call impossible is at least this likely. */
const leastLogProbability = -104;

export function coarseKl<Token>(
  source: ReadonlyMap<Token, number>,
  candidate: ReadonlyMap<Token, number>,
): number {
  let kl = 0;
  let [sourceRest, candidateRest] = [1, 1];
  for (const [token, logP] of source) {
    const logQ = candidate.get(token);
    if (logQ === undefined) continue;
    const p = Math.exp(logP);
    // Neither says anything of a token that both think impossible.
    if (p === 0) continue;
    kl += p * (logP - Math.max(logQ, leastLogProbability));
    sourceRest -= p;
    candidateRest -= Math.exp(logQ);
  }
  // Rounding may leave a hair less than nothing.
  const least = 1e-9;
  [sourceRest, candidateRest] = [Math.max(least, sourceRest), Math.max(least, candidateRest)];
  return Math.max(0, kl + sourceRest * Math.log(sourceRest / candidateRest));
}
