import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { DemandForecast } from './demand-forecast.ts';
import { PredictiveScaler } from './predictive-scaler.ts';
import { ReactiveScaler } from './reactive-scaler.ts';
import { defaultScalingPolicy, type ScalingPolicy } from './scaling-policy.ts';

const policy: ScalingPolicy = {
  ...defaultScalingPolicy,
  concurrencyPerReplica: 10,
  targetUtilisation: 1,
  maxReplicas: 50,
};

/** Each second's demand in turn; replicas are ready at once. */
function drive(
  decide: (demand: number, ready: number) => { replicas: number; reason: string },
  demands: readonly number[],
  start = 1,
) {
  let ready = start;
  return demands.map((demand) => {
    const decision = decide(demand, ready);
    ready = decision.replicas;
    return decision;
  });
}

const steady = (demand: number, seconds: number): number[] => Array.from({ length: seconds }, () => demand);

describe('ReactiveScaler', () => {
  it('follows a minute of demand, doubles in a panic, and does not shrink during one', () => {
    const scaler = new ReactiveScaler(policy);
    const run = drive(
      (demand, ready) => scaler.decide(demand, ready),
      [...steady(20, 120), ...steady(80, 10), ...steady(20, 120)],
    );
    expect(run[119]).toMatchObject({ replicas: 2, reason: 'steady' });
    expect(run[129]).toMatchObject({ replicas: 8, reason: 'panic' });
    expect(run[150]?.replicas).toBe(8);
    expect(run.at(-1)?.replicas).toBe(2);
  });

  it('goes to zero after idling and wakes with the first request', () => {
    const scaler = new ReactiveScaler({ ...policy, minReplicas: 0 });
    const run = drive(
      (demand, ready) => scaler.decide(demand, ready),
      [...steady(5, 10), ...steady(0, 120), 1],
    );
    expect(run[20]?.replicas).toBe(1);
    expect(run[129]?.replicas).toBe(0);
    expect(run[130]).toMatchObject({ replicas: 1, reason: 'wake' });
  });

  it('sleeps once it was idle for as long as was said, whatever the delay of other steps down', () => {
    const scaler = new ReactiveScaler({
      ...policy,
      minReplicas: 0,
      scaleToZeroSeconds: 3,
      scaleDownDelaySeconds: 60,
    });
    const run = drive(
      (demand, ready) => scaler.decide(demand, ready),
      [...steady(20, 120), ...steady(80, 2), ...steady(0, 3)],
    );
    expect(run.at(-2)?.replicas).toBeGreaterThan(1);
    expect(run.at(-1)).toMatchObject({ replicas: 0, reason: 'idle' });
  });

  it('halves at most, whatever the drop', () => {
    const scaler = new ReactiveScaler({ ...policy, panicThreshold: 100 });
    const run = drive(
      (demand, ready) => scaler.decide(demand, ready),
      [...steady(160, 100), ...steady(1, 200)],
    );
    for (const [second, { replicas }] of run.entries())
      expect(replicas).toBeGreaterThanOrEqual(Math.floor((run[second - 1]?.replicas ?? 1) / 2));
    expect(run.at(-1)?.replicas).toBe(1);
  });
});

describe('DemandForecast', () => {
  it('sees a ramp coming', () => {
    const forecast = new DemandForecast({ leadSeconds: 30 });
    for (let second = 0; second < 600; second++) forecast.observe(second * 0.1);
    // Now 60; in 30 s it will be 63. Plain smoothing would still say 55.5.
    expect(forecast.mean()).toBeGreaterThan(56);
    expect(forecast.mean()).toBeLessThan(66);
  });

  it('looks further ahead once replicas were seen to take longer, and back again', () => {
    const forecast = new DemandForecast({ leadSeconds: 5 });
    for (let second = 0; second < 600; second++) forecast.observe(second * 0.1);
    const soon = forecast.mean();
    forecast.lookAhead(60);
    const later = forecast.mean();
    expect(later).toBeGreaterThan(soon);
    for (let second = 600; second < 700; second++) forecast.observe(second * 0.1);
    const far = forecast.mean();
    forecast.lookAhead(5);
    expect(forecast.mean()).toBeLessThan(far);
    forecast.observe(70);
    expect(forecast.variance()).toBeGreaterThanOrEqual(0);
  });

  it('remembers the shape of a season', () => {
    const demandAt = (second: number): number => (second % 2_880 < 1_440 ? 10 : 100);
    const forecast = new DemandForecast({ leadSeconds: 60, seasonSeconds: 2_880 });
    let second = 0;
    for (; second < 2_880 * 5 + 1_400; second++) forecast.observe(demandAt(second));
    expect(forecast.mean()).toBeGreaterThan(70);
  });
});

describe('PredictiveScaler', () => {
  const poisson = (random: { next(): number }, mean: number): number => {
    let count = 0;
    for (let product = random.next(); product > Math.exp(-mean); product *= random.next()) count++;
    return count;
  };

  it('keeps the root of the load free, not a share of it', () => {
    const random = createRandom(4);
    const scaler = new PredictiveScaler({ ...policy, scaleDownDelaySeconds: 60 }, { leadSeconds: 30 });
    const run = drive(
      (arrivals, ready) => scaler.decide({ arrivals, serviceSeconds: 10, concurrency: arrivals * 10 }, ready),
      Array.from({ length: 900 }, () => poisson(random, 20)),
      20,
    );
    // Load 200 needs 20 replicas at the least; a 70 % target would keep 29.
    const settled = run.slice(-300).map(({ replicas }) => replicas);
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...settled)).toBeLessThanOrEqual(27);
  });

  it('clears a backlog that it did not foresee', () => {
    const scaler = new PredictiveScaler(policy, { leadSeconds: 30 });
    const sample = (concurrency: number) => ({ arrivals: 1, serviceSeconds: 5, concurrency });
    for (let second = 0; second < 200; second++) scaler.decide(sample(5), 1);
    let replicas = 1;
    for (let second = 0; second < 10; second++) ({ replicas } = scaler.decide(sample(100), 1));
    expect(replicas).toBeGreaterThan(5);
  });

  it('goes to zero after idling and wakes with the first request', () => {
    const scaler = new PredictiveScaler({ ...policy, minReplicas: 0 }, { leadSeconds: 30 });
    const idle = { arrivals: 0, serviceSeconds: undefined, concurrency: 0 };
    for (let second = 0; second < 29; second++) scaler.decide(idle, 1);
    expect(scaler.decide(idle, 1)).toMatchObject({ replicas: 0, reason: 'idle' });
    expect(scaler.decide({ arrivals: 1, serviceSeconds: undefined, concurrency: 1 }, 0)).toMatchObject({
      replicas: 1,
      reason: 'wake',
    });
  });
});
