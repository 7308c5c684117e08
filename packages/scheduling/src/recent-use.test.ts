import { expect, test } from 'vitest';
import { planCycle } from './plan-cycle.ts';
import { RecentUse, type RecentUseOptions } from './recent-use.ts';
import { node, queue, running, snapshot, workload } from './scenario.ts';

const HOUR_MS = 3_600_000;
const halfLifeMs = 24 * HOUR_MS;
const nodes = [node('n1', 8)];
const at = (hour: number, ids: readonly string[]) =>
  snapshot({
    nowMs: hour * HOUR_MS,
    nodes,
    workloads: ids.map((id, index) =>
      running(id, [['n1', index]], { queueId: id.slice(0, 1), startedAtMs: hour * HOUR_MS }),
    ),
  });

/** Queue `a` starts a job of one device every hour, each for nothing but a moment. */
function afterManyStarts(options: RecentUseOptions) {
  const use = new RecentUse(options, [], 0);
  use.look(at(0, []));
  let parts: ReadonlyMap<string, number> = new Map();
  for (let hour = 1; hour <= 10; hour++)
    parts = use.look({ ...at(hour, [`a${hour}`]), nowMs: hour * HOUR_MS });
  return parts;
}

test('each start is charged as if its devices had been in use for so long already', () => {
  const without = afterManyStarts({ halfLifeMs }).get('a') ?? 0;
  const with_ = afterManyStarts({ halfLifeMs, entryPenaltyMs: HOUR_MS }).get('a') ?? 0;
  // Ten hours in use either way, and ten more for the ten starts.
  expect(with_ / without).toBeGreaterThan(1.9);
  expect(with_ / without).toBeLessThan(2.1);
});

test('who runs on is charged once, and a server that starts again charges nobody', () => {
  const use = new RecentUse({ halfLifeMs, entryPenaltyMs: HOUR_MS }, [], 0);
  expect(use.look(at(0, ['a1'])).size).toBe(0);
  const first = use.look({ ...at(0, ['a1']), nowMs: 1 }).get('a') ?? 0;
  expect(first).toBeLessThan(1e-6);
});

test('the queue that started much goes after the one that did not', () => {
  const parts = afterManyStarts({ halfLifeMs, entryPenaltyMs: 4 * HOUR_MS });
  const plan = planCycle(
    snapshot({
      nodes: [node('n1', 1)],
      queues: [queue('a', { recentUse: parts.get('a')! }), queue('b')],
      workloads: [workload('old', { queueId: 'a' }), workload('new', { queueId: 'b', createdAtMs: 5 })],
    }),
  );
  expect(plan.placements.map(({ workloadId }) => workloadId)).toEqual(['new']);
});
