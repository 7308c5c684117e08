/** Counters and histograms of what one revision answered for one tenant, or one replica. */
import { Histogram } from '@gantry/kit';
import type { MeterRecord } from './meter-record.ts';

/** From a quick tensor model to a long prompt on a cold engine. */
const latencyBoundsMs = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
] as const;

export interface SeriesLabels {
  readonly tenantId: string;
  readonly endpointName: string;
  readonly revisionId: string;
  /** `name@3`; empty where no version was asked. */
  readonly modelVersion: string;
  readonly replicaId?: string;
}

export class Series {
  readonly labels: SeriesLabels;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  readonly statuses = new Map<number, number>();
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

  constructor(labels: SeriesLabels, sinceMs: number) {
    this.labels = labels;
    this.sinceMs = sinceMs;
  }

  note(record: MeterRecord, objectiveMs: number | undefined): void {
    const { status } = record;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.promptTokens += record.promptTokens;
    this.completionTokens += record.completionTokens;
    this.cachedTokens += record.cachedTokens;
    this.requestMs.record(record.requestMs);
    if (record.ttftMs !== undefined) this.ttftMs.record(record.ttftMs);
    if (objectiveMs === undefined || (status >= 400 && status < 500)) return;
    this.judged++;
    if (status < 400 && record.requestMs <= objectiveMs) this.good++;
  }

  /** Requests whose status is such a one. */
  count(isSuch: (status: number) => boolean): number {
    let count = 0;
    for (const [status, requests] of this.statuses) if (isSuch(status)) count += requests;
    return count;
  }

  /** What nineteen of twenty first bytes stayed within; undefined before there are enough to say so. */
  slowMs(): number | undefined {
    return this.ttftMs.count < 100 ? undefined : this.ttftMs.quantile(0.95);
  }
}
