/** Requests by route of the contract: as many series as there are routes, whatever callers send. */
import { Histogram, type MetricFamily } from '@gantry/kit';

/** From a read of one row to a long poll. */
const boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export interface HttpMeter {
  note(request: { readonly route: string; readonly status: number; readonly ms: number }): void;
  families(): readonly MetricFamily[];
}

export function createHttpMeter(): HttpMeter {
  const answers = new Map<string, { route: string; status: string; count: number }>();
  const durations = new Map<string, Histogram>();
  return {
    note: ({ route, status, ms }) => {
      const key = `${status} ${route}`;
      const answer = answers.get(key) ?? { route, status: String(status), count: 0 };
      answers.set(key, { ...answer, count: answer.count + 1 });
      const duration = durations.get(route) ?? new Histogram(boundsSeconds);
      duration.record(ms / 1000);
      durations.set(route, duration);
    },
    families: () => [
      {
        name: 'gantry_http_requests_total',
        help: 'Answers of the API by route and status; no route where the path was none.',
        type: 'counter',
        samples: [...answers.values()].map(({ route, status, count }) => ({
          labels: { route, status },
          value: count,
        })),
      },
      {
        name: 'gantry_http_request_seconds',
        help: 'Time from the request to the end of the answer; a stream counts until it ends.',
        type: 'histogram',
        samples: [...durations].map(([route, value]) => ({ labels: { route }, value })),
      },
    ],
  };
}
