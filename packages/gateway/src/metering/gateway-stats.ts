/** What the gateway has seen, by tenant, endpoint and revision: as many series as there are routes, never per request. */
import type { MetricFamily } from '@gantry/kit';
import type { RouteRevision } from '../routes/route.ts';
import { revisionFamilies, replicaFamilies } from './metric-families.ts';
import { Series } from './series.ts';

/** Of requests that no revision was asked. */
const noRevision = { revisionId: 'none', modelVersion: '' };

/** Of an endpoint, the newest: who deploys every day would have a thousand in three years. */
const mostRevisions = 8;

export class GatewayStats {
  readonly #series = new Map<string, Series>();
  /** Refused before a route was known: by error code. */
  readonly refused = new Map<string, number>();
  inFlight = 0;
  holding = 0;

  seriesFor(
    tenantId: string,
    endpointName: string,
    revision: Pick<RouteRevision, 'revisionId' | 'modelVersion'> = noRevision,
    nowMs = 0,
  ): Series {
    const { revisionId, modelVersion } = revision;
    const key = `${tenantId}\n${endpointName}\n${revisionId}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      this.#makeRoom(tenantId, endpointName);
      series = new Series({ tenantId, endpointName, revisionId, modelVersion }, nowMs);
      this.#series.set(key, series);
    }
    return series;
  }

  /** The endpoint is gone. */
  forget(tenantId: string, endpointName: string): void {
    for (const key of this.#keysOf(tenantId, endpointName)) this.#series.delete(key);
  }

  #makeRoom(tenantId: string, endpointName: string): void {
    const keys = this.#keysOf(tenantId, endpointName);
    const [oldest] = keys;
    if (keys.length >= mostRevisions && oldest !== undefined) this.#series.delete(oldest);
  }

  /** The oldest first. */
  #keysOf(tenantId: string, endpointName: string): readonly string[] {
    const prefix = `${tenantId}\n${endpointName}\n`;
    return [...this.#series.keys()].filter((key) => key.startsWith(prefix));
  }

  refuse(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }

  series(): readonly Series[] {
    return [...this.#series.values()];
  }

  /** For `writeMetrics` of the kit. `replicas`: of those that have a route now. */
  families(replicas: readonly Series[]): readonly MetricFamily[] {
    return [
      ...revisionFamilies(this.series()),
      ...replicaFamilies(replicas),
      {
        name: 'gantry_gateway_refused_total',
        help: 'Requests refused before they reached a model, by error code.',
        type: 'counter',
        samples: [...this.refused].map(([code, value]) => ({ labels: { code }, value })),
      },
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
