/** What the gateway has seen, by tenant, endpoint and revision: as many series as there are routes, never per request. */
import { Histogram, type HistogramCounts, type MetricFamily } from '@gantry/kit';
import type { MeterRecord } from './meter-record.ts';

/** From a quick tensor model to a long prompt on a cold engine. */
const latencyBoundsMs = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
] as const;

export interface SeriesLabels {
  readonly tenantId: string;
  readonly endpointName: string;
  readonly revisionId: string;
}

export class Series {
  readonly labels: SeriesLabels;
  readonly statuses = new Map<string, number>();
  promptTokens = 0;
  completionTokens = 0;
  cachedTokens = 0;
  retries = 0;
  hedges = 0;
  /** Requests with an objective that were answered well within it, of all that ended otherwise than by leaving. */
  good = 0;
  judged = 0;
  readonly requestMs = new Histogram(latencyBoundsMs);
  readonly ttftMs = new Histogram(latencyBoundsMs);
  readonly interTokenMs = new Histogram(latencyBoundsMs);

  constructor(labels: SeriesLabels) {
    this.labels = labels;
  }

  /** What nineteen of twenty first bytes stayed within; undefined before there are enough to say so. */
  slowMs(): number | undefined {
    return this.ttftMs.count < 100 ? undefined : this.ttftMs.quantile(0.95);
  }
}

export class GatewayStats {
  readonly #series = new Map<string, Series>();
  /** Refused before a route was known: by error code. */
  readonly refused = new Map<string, number>();
  inFlight = 0;
  holding = 0;

  seriesFor(tenantId: string, endpointName: string, revisionId: string): Series {
    const key = `${tenantId}\n${endpointName}\n${revisionId}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series({ tenantId, endpointName, revisionId });
      this.#series.set(key, series);
    }
    return series;
  }

  refuse(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }

  note(series: Series, record: MeterRecord, objectiveMs: number | undefined): void {
    const outcome = String(record.status);
    series.statuses.set(outcome, (series.statuses.get(outcome) ?? 0) + 1);
    series.promptTokens += record.promptTokens;
    series.completionTokens += record.completionTokens;
    series.cachedTokens += record.cachedTokens;
    series.requestMs.record(record.requestMs);
    if (record.ttftMs !== undefined) series.ttftMs.record(record.ttftMs);
    if (objectiveMs === undefined || (record.status >= 400 && record.status < 500)) return;
    series.judged++;
    if (record.status < 400 && record.requestMs <= objectiveMs) series.good++;
  }

  series(): readonly Series[] {
    return [...this.#series.values()];
  }

  /** For `writeMetrics` of the kit. Durations are in seconds there, as scrapers expect. */
  families(): readonly MetricFamily[] {
    const all = this.series();
    const counter = (name: string, help: string, value: (series: Series) => number): MetricFamily => ({
      name,
      help,
      type: 'counter',
      samples: all.map((series) => ({ labels: toLabels(series), value: value(series) })),
    });
    return [
      {
        name: 'gantry_gateway_requests_total',
        help: 'Requests answered, by HTTP status (499: the client left).',
        type: 'counter',
        samples: all.flatMap((series) =>
          [...series.statuses].map(([status, value]) => ({ labels: { ...toLabels(series), status }, value })),
        ),
      },
      {
        name: 'gantry_gateway_refused_total',
        help: 'Requests refused before they reached a model, by error code.',
        type: 'counter',
        samples: [...this.refused].map(([code, value]) => ({ labels: { code }, value })),
      },
      counter('gantry_gateway_prompt_tokens_total', 'Prompt tokens.', (series) => series.promptTokens),
      counter(
        'gantry_gateway_cached_tokens_total',
        'Prompt tokens taken from a prefix cache.',
        (series) => series.cachedTokens,
      ),
      counter(
        'gantry_gateway_completion_tokens_total',
        'Generated tokens.',
        (series) => series.completionTokens,
      ),
      counter(
        'gantry_gateway_objective_good_total',
        'Requests answered well within the endpoint’s latency objective.',
        (series) => series.good,
      ),
      counter(
        'gantry_gateway_objective_requests_total',
        'Requests that the latency objective was held against.',
        (series) => series.judged,
      ),
      counter('gantry_gateway_retries_total', 'Attempts beyond the first.', (series) => series.retries),
      counter('gantry_gateway_hedges_total', 'Second attempts beside a slow one.', (series) => series.hedges),
      histogramFamily(
        'gantry_gateway_request_seconds',
        'Time from request to the end of the answer.',
        all,
        (series) => series.requestMs,
      ),
      histogramFamily(
        'gantry_gateway_ttft_seconds',
        'Time to the first token (first byte where not streamed).',
        all,
        (series) => series.ttftMs,
      ),
      histogramFamily(
        'gantry_gateway_inter_token_seconds',
        'Time between streamed tokens.',
        all,
        (series) => series.interTokenMs,
      ),
      {
        name: 'gantry_gateway_in_flight',
        help: 'Requests being served now.',
        type: 'gauge',
        samples: [{ value: this.inFlight }],
      },
      {
        name: 'gantry_gateway_holding',
        help: 'Requests held until a replica is ready.',
        type: 'gauge',
        samples: [{ value: this.holding }],
      },
    ];
  }
}

function toLabels(series: Series): Record<string, string> {
  const { tenantId, endpointName, revisionId } = series.labels;
  return { tenant: tenantId, model: endpointName, revision: revisionId };
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
    samples: all.map((series) => ({ labels: toLabels(series), value: inSeconds(pick(series)) })),
  };
}

const inSeconds = ({ upperBounds, counts, sum, count }: Histogram): HistogramCounts => ({
  upperBounds: upperBounds.map((bound) => bound / 1000),
  counts,
  sum: sum / 1000,
  count,
});
