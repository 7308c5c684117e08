/**
 * How far a converted model's predictions are from its source's, on the same held-out positions: mean
 * Kullback-Leibler divergence in nats, share of positions with the same likeliest token, and perplexities.
 */
export interface AccuracyReport {
  readonly positions: number;
  readonly meanKl: number;
  readonly topAgreement: number;
  readonly sourcePerplexity: number;
  readonly candidatePerplexity: number;
}

/** One position: log probabilities of the whole vocabulary from both models, and the token that came. */
export interface AccuracyPosition {
  readonly source: Float32Array | Float64Array;
  readonly candidate: Float32Array | Float64Array;
  readonly actual: number;
}

export function compareAccuracy(positions: Iterable<AccuracyPosition>): AccuracyReport {
  let count = 0;
  let kl = 0;
  let agreements = 0;
  let sourceLoss = 0;
  let candidateLoss = 0;
  for (const { source, candidate, actual } of positions) {
    let bestSource = 0;
    let bestCandidate = 0;
    for (let token = 0; token < source.length; token += 1) {
      const p = source[token] as number;
      const q = candidate[token] as number;
      if (p > -Infinity) kl += Math.exp(p) * (p - q);
      if (p > (source[bestSource] as number)) bestSource = token;
      if (q > (candidate[bestCandidate] as number)) bestCandidate = token;
    }
    if (bestSource === bestCandidate) agreements += 1;
    sourceLoss -= source[actual] as number;
    candidateLoss -= candidate[actual] as number;
    count += 1;
  }
  if (count === 0) throw new RangeError('accuracy needs at least one position');
  return {
    positions: count,
    meanKl: kl / count,
    topAgreement: agreements / count,
    sourcePerplexity: Math.exp(sourceLoss / count),
    candidatePerplexity: Math.exp(candidateLoss / count),
  };
}

export interface AccuracyGate {
  readonly maximumKl: number;
  readonly minimumTopAgreement: number;
  /** Candidate over source. */
  readonly maximumPerplexityRatio: number;
}

/** Loose enough for Q8_0, a warning sign for anything else. */
export const defaultAccuracyGate: AccuracyGate = {
  maximumKl: 0.02,
  minimumTopAgreement: 0.95,
  maximumPerplexityRatio: 1.02,
};

/** Why the candidate may not be promoted; empty when it may. A NaN fails: it passes no comparison here. */
export function accuracyFailures(
  report: AccuracyReport,
  gate: AccuracyGate = defaultAccuracyGate,
): readonly string[] {
  const ratio = report.candidatePerplexity / report.sourcePerplexity;
  const checks: readonly (readonly [isMet: boolean, failure: string])[] = [
    [report.meanKl <= gate.maximumKl, `mean KL ${report.meanKl} is above ${gate.maximumKl}`],
    [
      report.topAgreement >= gate.minimumTopAgreement,
      `top-1 agreement ${report.topAgreement} is below ${gate.minimumTopAgreement}`,
    ],
    [
      ratio <= gate.maximumPerplexityRatio,
      `perplexity ratio ${ratio} is above ${gate.maximumPerplexityRatio}`,
    ],
  ];
  return checks.filter(([isMet]) => !isMet).map(([, failure]) => failure);
}
