/** Series as a scraper reads them. Durations are in seconds there. */
import type { Histogram, HistogramCounts, MetricFamily } from '@gantry/kit';
import type { Series } from './series.ts';

const counters: readonly (readonly [name: string, help: string, value: (series: Series) => number])[] = [
  ['prompt_tokens', 'Prompt tokens.', (series) => series.promptTokens],
  ['cached_tokens', 'Prompt tokens taken from a prefix cache.', (series) => series.cachedTokens],
  ['completion_tokens', 'Generated tokens.', (series) => series.completionTokens],
  [
    'objective_good',
    'Requests answered well within the endpoint’s latency objective.',
    (series) => series.good,
  ],
  ['objective_requests', 'Requests that the latency objective was held against.', (series) => series.judged],
  ['retries', 'Attempts beyond the first.', (series) => series.retries],
  ['hedges', 'Second attempts beside a slow one.', (series) => series.hedges],
];

const durations: readonly (readonly [name: string, help: string, pick: (series: Series) => Histogram])[] = [
  ['request', 'Time from request to the end of the answer', (series) => series.requestMs],
  ['ttft', 'Time to the first token (first byte where not streamed)', (series) => series.ttftMs],
  ['inter_token', 'Time between streamed tokens', (series) => series.interTokenMs],
];

/** By tenant, model (the served name), revision and version of the model. */
export function revisionFamilies(all: readonly Series[]): readonly MetricFamily[] {
  return [
    requestsFamily('gantry_gateway_requests_total', 'by HTTP status (499: the client left)', all),
    ...counters.map(([name, help, value]): MetricFamily => ({
      name: `gantry_gateway_${name}_total`,
      help,
      type: 'counter',
      samples: all.map((series) => ({ labels: labelsOf(series), value: value(series) })),
    })),
    ...durations.map(([name, help, pick]) =>
      histogramFamily(`gantry_gateway_${name}_seconds`, `${help}.`, all, pick),
    ),
  ];
}

/** The same of each replica that has a route. */
export function replicaFamilies(all: readonly Series[]): readonly MetricFamily[] {
  return [
    requestsFamily('gantry_gateway_replica_requests_total', 'by replica and HTTP status', all),
    ...durations.map(([name, help, pick]) =>
      histogramFamily(`gantry_gateway_replica_${name}_seconds`, `${help}, by replica.`, all, pick),
    ),
  ];
}

function labelsOf({ labels }: Series): Record<string, string> {
  const { tenantId, endpointName, revisionId, modelVersion, replicaId } = labels;
  return {
    tenant: tenantId,
    model: endpointName,
    revision: revisionId,
    version: modelVersion,
    ...(replicaId === undefined ? {} : { replica: replicaId }),
  };
}

function requestsFamily(name: string, by: string, all: readonly Series[]): MetricFamily {
  return {
    name,
    help: `Requests answered, ${by}.`,
    type: 'counter',
    samples: all.flatMap((series) =>
      [...series.statuses].map(([status, value]) => ({
        labels: { ...labelsOf(series), status: String(status) },
        value,
      })),
    ),
  };
}

function histogramFamily(
  name: string,
  help: string,
  all: readonly Series[],
  pick: (series: Series) => Histogram,
): MetricFamily {
  return {
    name,
    help,
    type: 'histogram',
    samples: all.map((series) => ({ labels: labelsOf(series), value: inSeconds(pick(series)) })),
  };
}

const inSeconds = ({ upperBounds, counts, sum, count }: Histogram): HistogramCounts => ({
  upperBounds: upperBounds.map((bound) => bound / 1000),
  counts,
  sum: sum / 1000,
  count,
});
