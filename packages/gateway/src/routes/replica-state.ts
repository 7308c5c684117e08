import type { Dispatcher } from 'undici';
import { Series, type SeriesLabels } from '../metering/series.ts';
import type { RouteReplica } from './route.ts';

/**
 * What this gateway itself sees of a replica. It outlives a change of routes, so a request in flight keeps
 * its counters true while weights move.
 */
export class ReplicaState {
  readonly replicaId: string;
  readonly series: Series;
  replica: RouteReplica;
  pool: Dispatcher;
  inFlight = 0;
  /** Tokens sent there and not yet seen to be computed (dropped at the first byte of the answer). */
  pendingTokens = 0;
  /** Consecutive failures; each doubles the time out. */
  failures = 0;
  ejectedUntilMs = 0;
  #errorsInARow = 0;
  #outlierRounds = 0;
  #outlierUntilMs = 0;

  constructor(
    replica: RouteReplica,
    pool: Dispatcher,
    labels: Omit<SeriesLabels, 'replicaId'>,
    nowMs: number,
  ) {
    this.replicaId = replica.replicaId;
    this.replica = replica;
    this.pool = pool;
    this.series = new Series({ ...labels, replicaId: replica.replicaId }, nowMs);
  }

  isUsable(nowMs: number): boolean {
    return this.replica.ready && this.ejectedUntilMs <= nowMs;
  }

  /**
   * A refused connection or a crash takes it out for a moment; the control plane's word (`ready`) follows later.
   * Many requests failing at once are one failure.
   */
  noteFailure(nowMs: number): void {
    if (this.ejectedUntilMs > nowMs) return;
    this.failures++;
    this.ejectedUntilMs = nowMs + Math.min(2_000, 50 * 2 ** Math.min(this.failures - 1, 6));
  }

  /** It works as a server but keeps failing at requests: five in a row take it out, each further round for longer. */
  noteServerError(nowMs: number): void {
    this.#errorsInARow++;
    if (this.#errorsInARow < 5) return;
    this.#errorsInARow = 0;
    this.#outlierRounds++;
    this.#outlierUntilMs = nowMs + Math.min(60_000, 2_000 * 2 ** Math.min(this.#outlierRounds - 1, 5));
  }

  isOutlier(nowMs: number): boolean {
    return this.#outlierUntilMs > nowMs;
  }

  noteSuccess(): void {
    this.#errorsInARow = 0;
    if (this.#outlierUntilMs === 0) this.#outlierRounds = 0;
    this.#outlierUntilMs = 0;
    this.failures = 0;
    this.ejectedUntilMs = 0;
  }
}
