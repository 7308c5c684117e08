/**
 * Replicas for the load that will be there when a replica started now is ready. Load is arrivals × time in
 * service (Little), so a queue that we caused does not look like demand. With load a, the number in service is
 * close to Poisson; a + z·√(a + forecast variance) slots cover it (square-root staffing, Halfin & Whitt 1981):
 * spare room grows with the root of the load, not with the load as a flat utilisation target has it.
 */
import { DemandForecast, type ForecastOptions } from './demand-forecast.ts';
import { clampReplicas, type ScalingDecision, type ScalingPolicy } from './scaling-policy.ts';

/** Within what time a backlog should be gone once the replicas for it are there. */
const clearBacklogSeconds = 4;

/** What one second saw. */
export interface LoadSample {
  readonly arrivals: number;
  /** Of the requests that ended in this second, the mean time from first work to last, without waiting. */
  readonly serviceSeconds: number | undefined;
  /** In progress and waiting, mean over the second. */
  readonly concurrency: number;
}

export interface PredictiveOptions extends ForecastOptions {
  /** Standard deviations kept free; 1.3 leaves some 10 % of moments full, 1.65 some 5 %. */
  readonly spare?: number;
}

export class PredictiveScaler {
  readonly #policy: ScalingPolicy;
  readonly #forecast: DemandForecast;
  readonly #spare: number;
  #serviceSeconds: number | undefined;
  #recentConcurrency = 0;
  #wanted: { readonly second: number; readonly replicas: number }[] = [];
  #second = 0;
  #idleSeconds = 0;

  constructor(policy: ScalingPolicy, options: PredictiveOptions) {
    this.#policy = policy;
    this.#forecast = new DemandForecast(options);
    this.#spare = options.spare ?? 1.3;
  }

  /** How far ahead: the time that a replica takes to be ready. */
  lookAhead(seconds: number): void {
    this.#forecast.lookAhead(seconds);
  }

  /** One decision a second. */
  decide(sample: LoadSample, readyReplicas: number): ScalingDecision {
    const policy = this.#policy;
    this.#second++;
    this.#idleSeconds = sample.concurrency > 0 || sample.arrivals > 0 ? 0 : this.#idleSeconds + 1;
    this.#recentConcurrency += (sample.concurrency - this.#recentConcurrency) / policy.panicWindowSeconds;
    if (sample.serviceSeconds !== undefined) {
      this.#serviceSeconds ??= sample.serviceSeconds;
      this.#serviceSeconds += (sample.serviceSeconds - this.#serviceSeconds) / 60;
    }
    // Until something has ended, what is in progress is all we know.
    const load =
      this.#serviceSeconds === undefined ? sample.concurrency : sample.arrivals * this.#serviceSeconds;
    this.#forecast.observe(load);
    const expected = this.#forecast.mean();
    const needs = expected + this.#spare * Math.sqrt(expected + this.#forecast.variance());
    const soon = Math.ceil(needs / policy.concurrencyPerReplica - 1e-9);
    // More waits than half a replica could take: the forecast was wrong. Room beside it to clear that in time.
    const backlog = this.#recentConcurrency - readyReplicas * policy.concurrencyPerReplica;
    const clearing =
      backlog > policy.concurrencyPerReplica / 2
        ? (backlog * (this.#serviceSeconds ?? 1)) / clearBacklogSeconds
        : 0;
    const now = clearing > 0 ? Math.ceil((needs + clearing) / policy.concurrencyPerReplica) : 0;
    const isIdle = this.#idleSeconds >= policy.scaleToZeroSeconds;
    // What has been watched for less than a minute is no reason to shrink.
    const floor = this.#second <= policy.stableWindowSeconds ? readyReplicas : 1;
    const wants = isIdle ? 0 : Math.max(floor, now, soon);
    this.#wanted.push({ second: this.#second, replicas: wants });
    this.#wanted = this.#wanted.filter(({ second }) => second >= this.#second - policy.scaleDownDelaySeconds);
    const replicas = clampReplicas(
      isIdle ? 0 : Math.max(...this.#wanted.map((each) => each.replicas)),
      policy,
    );
    return { replicas, reason: reasonFor(replicas, readyReplicas, wants, now > soon), observed: expected };
  }
}

function reasonFor(
  replicas: number,
  ready: number,
  wants: number,
  isDemand: boolean,
): ScalingDecision['reason'] {
  if (replicas === ready) return 'steady';
  if (ready === 0) return 'wake';
  if (replicas === 0) return 'idle';
  if (replicas > wants) return 'delay';
  return isDemand ? 'demand' : 'forecast';
}
