/**
 * Knative's rule (its autoscaler's stable and panic windows): follow the mean concurrency of a minute, but when
 * the last six seconds want twice what is ready, follow those and do not shrink until a minute after.
 */
import { clampReplicas, type ScalingDecision, type ScalingPolicy } from './scaling-policy.ts';

export class ReactiveScaler {
  readonly #policy: ScalingPolicy;
  /** Mean concurrency of each second, newest last. */
  #seconds: number[] = [];
  #panicUntilSecond: number | undefined;
  #panicReplicas = 0;
  #second = 0;
  #wanted: { readonly second: number; readonly replicas: number }[] = [];
  #idleSeconds = 0;

  constructor(policy: ScalingPolicy) {
    this.#policy = policy;
  }

  /** One decision a second. `concurrency`: mean over that second, waiting requests included. */
  decide(concurrency: number, readyReplicas: number): ScalingDecision {
    const policy = this.#policy;
    this.#second++;
    this.#seconds.push(concurrency);
    if (this.#seconds.length > policy.stableWindowSeconds) this.#seconds.shift();
    this.#idleSeconds = concurrency > 0 ? 0 : this.#idleSeconds + 1;
    const target = policy.concurrencyPerReplica * policy.targetUtilisation;
    const stable = mean(this.#seconds);
    const panic = mean(this.#seconds.slice(-policy.panicWindowSeconds));
    const ready = Math.max(1, readyReplicas);
    const bound = (replicas: number): number =>
      Math.min(
        Math.ceil(policy.maxScaleUpRate * ready),
        Math.max(replicas, Math.floor(ready / policy.maxScaleDownRate)),
      );
    const stableWants = bound(Math.ceil(stable / target - 1e-9));
    const panicWants = bound(Math.ceil(panic / target - 1e-9));

    // Windows and delay are for fewer, not for none: who is idle for as long as was said may sleep.
    if (policy.minReplicas === 0 && this.#idleSeconds >= policy.scaleToZeroSeconds) {
      this.#panicUntilSecond = undefined;
      this.#panicReplicas = 0;
      this.#wanted = [];
      return { replicas: 0, reason: 'idle', observed: stable };
    }
    if (readyReplicas === 0 && concurrency > 0)
      return { replicas: clampReplicas(Math.max(1, panicWants), policy), reason: 'wake', observed: panic };
    if (panicWants / ready >= policy.panicThreshold)
      this.#panicUntilSecond = this.#second + policy.stableWindowSeconds;
    if (this.#panicUntilSecond !== undefined && this.#second < this.#panicUntilSecond) {
      this.#panicReplicas = Math.max(this.#panicReplicas, panicWants, readyReplicas);
      return { replicas: clampReplicas(this.#panicReplicas, policy), reason: 'panic', observed: panic };
    }
    this.#panicUntilSecond = undefined;
    this.#panicReplicas = 0;
    return this.#afterDelay(stableWants, stable, readyReplicas);
  }

  /** Down only to the largest number wanted within the delay. */
  #afterDelay(wants: number, observed: number, readyReplicas: number): ScalingDecision {
    const policy = this.#policy;
    const wanted = Math.max(1, wants);
    this.#wanted.push({ second: this.#second, replicas: wanted });
    this.#wanted = this.#wanted.filter(({ second }) => second >= this.#second - policy.scaleDownDelaySeconds);
    const replicas = clampReplicas(Math.max(...this.#wanted.map((each) => each.replicas)), policy);
    const reason = replicas > wanted ? 'delay' : replicas === readyReplicas ? 'steady' : 'demand';
    return { replicas, reason, observed };
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
