import type { Scaling } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { Autoscaler } from './autoscaler.ts';
import type { UsePercents } from './replica-use.ts';
import type { EndpointLoad } from './scaling-decider.ts';

const scaling: Scaling = {
  min: 0,
  max: 5,
  target: { concurrency: 2 },
  policy: 'reactive',
  idleSeconds: 30,
  scaleDownSeconds: 30,
};
const load = (concurrency: number): EndpointLoad => ({
  concurrency,
  queue: 0,
  queriesPerSecond: concurrency,
  tokensPerSecond: 0,
  arrivals: concurrency,
  serviceSeconds: concurrency > 0 ? 1 : undefined,
});

/** Seconds of load in turn; what is asked for is there in the next second. */
function play(of: Scaling, seconds: readonly number[]): { replicas: number; changes: string[] } {
  const autoscaler = new Autoscaler();
  const changes: string[] = [];
  let replicas = 1;
  for (const concurrency of seconds) {
    autoscaler.keep({ endpointId: 'e', scaling: of, desired: replicas, ready: replicas, leadSeconds: 10 });
    const loads = new Map([['e', load(concurrency)]]);
    if (replicas === 0 && concurrency > 0) {
      const woken = autoscaler.wake('e');
      if (woken !== undefined) ({ replicas } = woken);
      changes.push(`${woken?.reason}`);
      continue;
    }
    autoscaler.tick(loads, noUse, (_id, change) => {
      ({ replicas } = change);
      changes.push(`${change.reason} ${change.replicas}`);
    });
  }
  return { replicas, changes };
}

const noUse: ReadonlyMap<string, UsePercents> = new Map();
const steady = (concurrency: number, seconds: number): number[] =>
  Array.from({ length: seconds }, () => concurrency);

describe.each(['reactive', 'predictive'] as const)('autoscaler, %s', (policy) => {
  it('grows with demand up to the bound and shrinks to zero when nobody asks', () => {
    const of = { ...scaling, policy };
    expect(play(of, steady(6, 120)).replicas).toBeGreaterThanOrEqual(3);
    expect(play(of, steady(100, 120)).replicas).toBe(5);
    const idle = play(of, [...steady(6, 120), ...steady(0, 240)]);
    expect(idle.replicas).toBe(0);
    expect(play(of, [...steady(6, 60), ...steady(0, 240), 1]).replicas).toBe(1);
  });

  it('follows what replicas use while somebody asks', () => {
    const of = { ...scaling, policy, min: 1, target: { cpuPercent: 50 } };
    const autoscaler = new Autoscaler();
    let replicas = 2;
    for (let second = 0; second < 240; second++) {
      autoscaler.keep({ endpointId: 'e', scaling: of, desired: replicas, ready: replicas, leadSeconds: 10 });
      // The same work however many share it: 1.5 of a replica's cores, then 0.4.
      const cpuPercent = (second < 120 ? 150 : 40) / replicas;
      autoscaler.tick(new Map([['e', load(1)]]), new Map([['e', { cpuPercent }]]), (_id, change) => {
        ({ replicas } = change);
      });
      if (second === 119) expect(replicas).toBeGreaterThanOrEqual(3);
    }
    expect(replicas).toBe(1);
  });

  it('stays at the minimum', () => {
    expect(play({ ...scaling, policy, min: 2 }, steady(0, 300)).replicas).toBe(2);
  });
});

describe('autoscaler', () => {
  it('wakes once for many waiting requests, and again when the first try could not be written', () => {
    const autoscaler = new Autoscaler();
    autoscaler.keep({ endpointId: 'e', scaling, desired: 0, ready: 0, leadSeconds: 10 });
    expect(autoscaler.wake('e')).toMatchObject({ replicas: 1, reason: 'wake' });
    expect(autoscaler.wake('e')).toBeUndefined();
    autoscaler.release('e');
    expect(autoscaler.wake('e')).toBeDefined();
    expect(autoscaler.wake('unknown')).toBeUndefined();
  });

  it('asks nothing of an endpoint that is as it should be', () => {
    expect(play(scaling, steady(1, 100)).changes).toEqual([]);
  });
});
