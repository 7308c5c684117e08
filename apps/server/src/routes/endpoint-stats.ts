import type { EndpointStats, ReplicaStats } from '@gantry/contract';
import type { EndpointSnapshot } from '@gantry/gateway';
import type { createTokenCost } from '../serving-limits.ts';

interface Quantiles {
  readonly count: number;
  quantile(fraction: number): number | undefined;
}

const quantilesOf = (histogram: Quantiles) =>
  histogram.count === 0
    ? undefined
    : {
        p50: histogram.quantile(0.5) ?? 0,
        p95: histogram.quantile(0.95) ?? 0,
        p99: histogram.quantile(0.99) ?? 0,
      };

/** Counters and histograms of the gateway as the API tells them. */
export function toEndpointStats(
  snapshot: EndpointSnapshot,
  tokenCost: ReturnType<typeof createTokenCost>,
  told: ReadonlyMap<string, Partial<ReplicaStats>>,
): EndpointStats {
  return {
    inFlight: snapshot.inFlight,
    holding: snapshot.holding,
    queriesPerSecond: snapshot.queriesPerSecond,
    revisions: snapshot.series.map((series) => {
      const requests = series.count(() => true);
      const cancelled = series.count((status) => status === 499);
      const errors = series.count((status) => status >= 500);
      const answered = requests - cancelled;
      const tokens = series.promptTokens + series.completionTokens;
      const requestMs = quantilesOf(series.requestMs);
      const ttftMs = quantilesOf(series.ttftMs);
      const interTokenMs = quantilesOf(series.interTokenMs);
      return {
        revision: series.labels.revisionId,
        requests,
        errors,
        cancelled,
        retries: series.retries,
        hedges: series.hedges,
        promptTokens: series.promptTokens,
        cachedTokens: series.cachedTokens,
        completionTokens: series.completionTokens,
        ...(requestMs === undefined ? {} : { requestMs }),
        ...(ttftMs === undefined ? {} : { ttftMs }),
        ...(interTokenMs === undefined ? {} : { interTokenMs }),
        ...(answered === 0 ? {} : { availability: 1 - errors / answered }),
        ...(series.judged === 0 ? {} : { goodput: series.good / series.judged }),
        ...(series.promptTokens === 0 ? {} : { cacheHitShare: series.cachedTokens / series.promptTokens }),
        ...(requests === 0 ? {} : { costPerThousandRequests: (tokenCost(series) / requests) * 1_000 }),
        ...(tokens === 0 ? {} : { costPerThousandTokens: (tokenCost(series) / tokens) * 1_000 }),
      };
    }),
    replicas: snapshot.replicas.map(({ replicaId, inFlight, pendingTokens, failures }) => ({
      id: replicaId,
      inFlight,
      pendingTokens,
      failures,
      ...told.get(replicaId),
    })),
  };
}
