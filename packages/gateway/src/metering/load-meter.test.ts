import { describe, expect, it } from 'vitest';
import { LoadMeter } from './load-meter.ts';

describe('LoadMeter', () => {
  it('means over what happened since the last look, and over a minute', () => {
    const meter = new LoadMeter(0);
    meter.enter(0);
    meter.enter(500);
    meter.leave(1_000, 1_000, 800, 40);
    expect(meter.take(1_000)).toMatchObject({
      concurrency: 1.5,
      arrivals: 2,
      queriesPerSecond: 2,
      tokensPerSecond: 40,
      meanMs: 1_000,
      p99Ms: 1_000,
      serviceSeconds: 0.8,
    });
    expect(meter.take(2_000)).toMatchObject({ concurrency: 1, arrivals: 0, serviceSeconds: undefined });
    meter.leave(3_000, 2_500, undefined, 0);
    const later = meter.take(90_000);
    expect(later).toMatchObject({ queriesPerSecond: 0, tokensPerSecond: 0, meanMs: undefined });
    expect(meter.inFlight).toBe(0);
  });
});
