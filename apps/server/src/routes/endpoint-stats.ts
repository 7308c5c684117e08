import type { EndpointStats, ReplicaStats } from '@gantry/contract';
import type { EndpointSnapshot } from '@gantry/gateway';
import type { DriftView } from '@gantry/control';
import { nearestToDrift } from '../nearest-to-drift.ts';
import type { createTokenCost } from '../serving-limits.ts';

type Seen = EndpointSnapshot['series'][number];
type Quantiles = Pick<Seen['requestMs'], 'count' | 'quantile'>;

const quantilesOf = (histogram: Quantiles) =>
  histogram.count === 0
    ? undefined
    : {
        p50: histogram.quantile(0.5) ?? 0,
        p95: histogram.quantile(0.95) ?? 0,
        p99: histogram.quantile(0.99) ?? 0,
      };

/** What revisions and replicas have in common. */
function countsOf(series: Seen) {
  const requestMs = quantilesOf(series.requestMs);
  const ttftMs = quantilesOf(series.ttftMs);
  const interTokenMs = quantilesOf(series.interTokenMs);
  return {
    revision: series.labels.revisionId,
    requests: series.count(() => true),
    errors: series.count((status) => status >= 500),
    promptTokens: series.promptTokens,
    cachedTokens: series.cachedTokens,
    completionTokens: series.completionTokens,
    ...(requestMs === undefined ? {} : { requestMs }),
    ...(ttftMs === undefined ? {} : { ttftMs }),
    ...(interTokenMs === undefined ? {} : { interTokenMs }),
  };
}

/** `cost` of all that was counted. */
function costsOf({ requests, promptTokens, completionTokens }: ReturnType<typeof countsOf>, cost: number) {
  const tokens = promptTokens + completionTokens;
  return {
    ...(requests === 0 ? {} : { costPerThousandRequests: (cost / requests) * 1_000 }),
    ...(tokens === 0 ? {} : { costPerThousandTokens: (cost / tokens) * 1_000 }),
  };
}

/** Counters and histograms of the gateway as the API tells them; `told`: what else is known of each replica. */
export function toEndpointStats(
  snapshot: EndpointSnapshot,
  tokenCost: ReturnType<typeof createTokenCost>,
  told: ReadonlyMap<string, Partial<ReplicaStats>>,
  drift: readonly DriftView[],
): EndpointStats {
  return {
    inFlight: snapshot.inFlight,
    holding: snapshot.holding,
    queriesPerSecond: snapshot.queriesPerSecond,
    arrivals: [...snapshot.arrivals],
    revisions: snapshot.series.map((series) => {
      const counts = countsOf(series);
      const cancelled = series.count((status) => status === 499);
      const answered = counts.requests - cancelled;
      return {
        ...counts,
        model: series.labels.modelVersion,
        cancelled,
        retries: series.retries,
        hedges: series.hedges,
        ...costsOf(counts, tokenCost(series)),
        ...(answered === 0 ? {} : { availability: 1 - counts.errors / answered }),
        ...(series.judged === 0 ? {} : { goodput: series.good / series.judged }),
        ...(series.promptTokens === 0 ? {} : { cacheHitShare: series.cachedTokens / series.promptTokens }),
      };
    }),
    replicas: snapshot.replicas.map(({ replicaId, inFlight, pendingTokens, failures, series, ageMs }) => {
      const counts = countsOf(series);
      const more = told.get(replicaId);
      const { costPerHour } = more ?? {};
      return {
        id: replicaId,
        inFlight,
        pendingTokens,
        failures,
        ...counts,
        ...more,
        ...(costPerHour === undefined ? {} : costsOf(counts, (costPerHour * ageMs) / 3_600_000)),
      };
    }),
    drift: drift.map(({ revisionId, last, ...progress }) => {
      const features = nearestToDrift(last);
      return {
        revision: revisionId,
        ...progress,
        ...(last === undefined ? {} : { pThreshold: last.pThreshold }),
        features: features.map((each) => ({ ...each, figures: { ...each.figures } })),
        featuresLeftOut: (last?.features.length ?? 0) - features.length,
      };
    }),
  };
}
