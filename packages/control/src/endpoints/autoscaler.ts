/**
 * Decides once a second how many replicas every scaling endpoint should have, from what the gateway saw. Looks
 * at memory only; a decision that changes nothing writes nothing, so an idle platform stays idle.
 */
import type { Scaling } from '@gantry/contract';
import {
  defaultScalingPolicy,
  PredictiveScaler,
  ReactiveScaler,
  replicasWorth,
  type ObservedLoad,
  type ScalingDecision,
  type ScalingPolicy,
} from '@gantry/serving';

/** Of the second that ended. */
export interface EndpointLoad extends ObservedLoad {
  readonly arrivals: number;
  /** Mean time in service of what ended, without waiting. */
  readonly serviceSeconds: number | undefined;
}

export interface ScalingSubject {
  readonly endpointId: string;
  readonly scaling: Scaling;
  readonly desired: number;
  readonly ready: number;
}

export interface ScalingChange {
  readonly replicas: number;
  readonly reason: string;
  readonly observed: number;
  readonly because: string | undefined;
}

/** A replica is up within this time on a machine that has the model; the forecast looks so far ahead. */
const leadSeconds = 10;
const idle: EndpointLoad = {
  arrivals: 0,
  serviceSeconds: undefined,
  concurrency: 0,
  queue: 0,
  queriesPerSecond: 0,
  tokensPerSecond: 0,
};

interface Entry {
  subject: ScalingSubject;
  readonly decide: (load: EndpointLoad, ready: number) => ScalingDecision & { because: string | undefined };
  isPending: boolean;
}

export class Autoscaler {
  readonly #entries = new Map<string, Entry>();

  /** Sets or renews what is known of an endpoint; changed settings start a new scaler. */
  keep(subject: ScalingSubject): void {
    const known = this.#entries.get(subject.endpointId);
    if (known !== undefined && JSON.stringify(known.subject.scaling) === JSON.stringify(subject.scaling)) {
      known.subject = subject;
      known.isPending = false;
    } else
      this.#entries.set(subject.endpointId, {
        subject,
        decide: deciderFor(subject.scaling),
        isPending: false,
      });
  }

  forget(endpointId: string): void {
    this.#entries.delete(endpointId);
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** One second has passed. */
  tick(
    loads: ReadonlyMap<string, EndpointLoad>,
    change: (endpointId: string, change: ScalingChange) => void,
  ): void {
    for (const [endpointId, entry] of this.#entries) {
      const { desired, ready } = entry.subject;
      const decision = entry.decide(loads.get(endpointId) ?? idle, desired === 0 ? 0 : Math.max(ready, 1));
      if (decision.replicas === desired || entry.isPending) continue;
      entry.isPending = true;
      const { replicas, reason, observed, because } = decision;
      change(endpointId, { replicas, reason, observed, because });
    }
  }

  /** A request waits for an endpoint that was scaled to zero: undefined when it is already on its way. */
  wake(endpointId: string): ScalingChange | undefined {
    const entry = this.#entries.get(endpointId);
    if (entry === undefined || entry.subject.desired > 0 || entry.isPending) return undefined;
    entry.isPending = true;
    return { replicas: 1, reason: 'wake', observed: 1, because: 'queue' };
  }

  /** A change could not be written: it may be tried again. */
  release(endpointId: string): void {
    const entry = this.#entries.get(endpointId);
    if (entry !== undefined) entry.isPending = false;
  }
}

function deciderFor(scaling: Scaling): Entry['decide'] {
  const perReplica = scaling.target.concurrency ?? 4;
  const policy: ScalingPolicy = {
    ...defaultScalingPolicy,
    minReplicas: scaling.min,
    maxReplicas: scaling.max,
    concurrencyPerReplica: perReplica,
    targetUtilisation: 1,
    scaleDownDelaySeconds: scaling.scaleDownSeconds,
    scaleToZeroSeconds: scaling.idleSeconds,
  };
  const asConcurrency = (load: EndpointLoad, ready: number) => {
    const worth = replicasWorth(scaling.target, load, ready);
    // What is in progress is never nothing: an endpoint that answers is not idle.
    const busy = load.concurrency > 0 || load.queue > 0 || load.arrivals > 0 ? 0.01 : 0;
    return { value: Math.max(worth.replicas * perReplica, busy), because: worth.because };
  };
  if (scaling.policy === 'reactive') {
    const scaler = new ReactiveScaler(policy);
    return (load, ready) => {
      const { value, because } = asConcurrency(load, ready);
      return { ...scaler.decide(value, ready), because };
    };
  }
  const scaler = new PredictiveScaler(policy, { leadSeconds, seasonSeconds: 86_400 });
  return (load, ready) => {
    const { value, because } = asConcurrency(load, ready);
    const { arrivals, serviceSeconds } = load;
    return { ...scaler.decide({ arrivals, serviceSeconds, concurrency: value }, ready), because };
  };
}
