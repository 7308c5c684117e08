/**
 * One endpoint's scaling as its policy has it. Whatever the targets count, a scaler sees the concurrency that would
 * be the same work. A forecast is made of demand; targets that answer to us (latency, use) are followed, not foreseen.
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
  type ScalingTargets,
} from '@gantry/serving';

/** Of the second that ended. */
export interface EndpointLoad extends ObservedLoad {
  readonly arrivals: number;
  /** Mean time in service of what ended, without waiting. */
  readonly serviceSeconds: number | undefined;
}

/** `leadSeconds`: how long a replica takes that is wanted now. */
type Decide = (
  load: EndpointLoad,
  ready: number,
  leadSeconds: number,
) => ScalingDecision & { because: string | undefined };

const defaultConcurrency = 4;

export function createDecider(scaling: Scaling): Decide {
  const { concurrency, ...others } = scaling.target;
  const perReplica = concurrency ?? defaultConcurrency;
  const policy: ScalingPolicy = {
    ...defaultScalingPolicy,
    minReplicas: scaling.min,
    maxReplicas: scaling.max,
    concurrencyPerReplica: perReplica,
    targetUtilisation: 1,
    scaleDownDelaySeconds: scaling.scaleDownSeconds,
    scaleToZeroSeconds: scaling.idleSeconds,
  };
  if (scaling.policy === 'reactive') return follow(scaling.target, policy);
  const forecast = foresee({ concurrency: perReplica }, policy);
  return Object.keys(others).length === 0 ? forecast : larger(forecast, follow(others, policy));
}

function follow(targets: ScalingTargets, policy: ScalingPolicy): Decide {
  const scaler = new ReactiveScaler(policy);
  return (load, ready) => {
    const { value, because } = asConcurrency(targets, policy, load, ready);
    return { ...scaler.decide(value, ready), because };
  };
}

function foresee(targets: ScalingTargets, policy: ScalingPolicy): Decide {
  const scaler = new PredictiveScaler(policy, { leadSeconds: 1, seasonSeconds: 86_400 });
  return (load, ready, leadSeconds) => {
    scaler.lookAhead(leadSeconds);
    const { value, because } = asConcurrency(targets, policy, load, ready);
    const { arrivals, serviceSeconds } = load;
    return { ...scaler.decide({ arrivals, serviceSeconds, concurrency: value }, ready), because };
  };
}

/** Both are asked every second: each keeps its own memory of what was. */
const larger =
  (one: Decide, other: Decide): Decide =>
  (load, ready, leadSeconds) => {
    const [first, second] = [one(load, ready, leadSeconds), other(load, ready, leadSeconds)];
    return second.replicas > first.replicas ? second : first;
  };

function asConcurrency(targets: ScalingTargets, policy: ScalingPolicy, load: EndpointLoad, ready: number) {
  const worth = replicasWorth(targets, load, ready);
  // What is in progress is never nothing: an endpoint that answers is not idle.
  const busy = load.concurrency > 0 || load.queue > 0 || load.arrivals > 0 ? 0.01 : 0;
  return { value: Math.max(worth.replicas * policy.concurrencyPerReplica, busy), because: worth.because };
}
