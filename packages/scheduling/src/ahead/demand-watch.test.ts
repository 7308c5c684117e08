import type { Snapshot } from '../snapshot.ts';
import { expect, test } from 'vitest';
import { DemandWatch } from './demand-watch.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONDAY_MS = Date.UTC(2026, 0, 5);

test('what a queue used every morning is expected the next morning, and not at night', () => {
  const past = Array.from({ length: 10 }, (_, day) => ({
    queueId: 'nlp',
    devices: 6,
    fromMs: MONDAY_MS + day * DAY_MS + 9 * HOUR_MS,
    toMs: MONDAY_MS + day * DAY_MS + 11 * HOUR_MS,
  }));
  const watch = new DemandWatch({ horizonMs: 2 * HOUR_MS, mostPart: 0.5 }, past);
  const at = (hour: number) => {
    const nowMs = MONDAY_MS + 10 * DAY_MS + hour * HOUR_MS;
    const node = { devices: Array.from({ length: 8 }, () => ({})) };
    return watch.look({
      nowMs,
      nodes: [node],
      queues: [{ id: 'nlp' }],
      workloads: [],
    } as unknown as Snapshot);
  };
  expect(at(2).size).toBe(0);
  const [peak] = at(8).get('nlp') ?? [];
  expect(peak?.devices).toBe(4);
  expect(peak?.fromMs).toBe(MONDAY_MS + 10 * DAY_MS + 9 * HOUR_MS);
});
