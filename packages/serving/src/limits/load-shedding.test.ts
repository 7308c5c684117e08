import { describe, expect, it } from 'vitest';
import { shedFor } from './load-shedding.ts';

describe('shedFor', () => {
  it('turns away the less urgent first', () => {
    const full = { inFlight: 10, capacity: 4 };
    expect(shedFor({ ...full, priority: 0 })).toBeUndefined();
    expect(shedFor({ ...full, priority: -1 })).toBeGreaterThan(0);
    expect(shedFor({ inFlight: 32, capacity: 4, priority: 0 })).toBe(1_000);
  });

  it('leaves an endpoint without replicas to the bound on waiting', () => {
    expect(shedFor({ inFlight: 500, capacity: 0, priority: -1 })).toBeUndefined();
  });
});
