/** Promises that hold for every cluster and queue tree a seeded generator comes up with. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planCycle, type PlanOptions } from './plan-cycle.ts';
import type { Plan } from './plan.ts';
import { Planning } from './planning.ts';
import { node, queue, snapshot, workload } from './scenario.ts';
import type { Snapshot, Workload } from './snapshot.ts';

const RUNS = { seed: 42, numRuns: Number(process.env['GANTRY_PROPERTY_RUNS'] ?? 150) };

const arbitraryWorkload = fc.record({
  queueId: fc.constantFrom('a', 'b', 'b1'),
  priority: fc.integer({ min: 0, max: 2 }),
  members: fc.integer({ min: 1, max: 4 }),
  minimum: fc.integer({ min: 1, max: 4 }),
  devices: fc.integer({ min: 0, max: 5 }),
  milli: fc.constantFrom(0, 0, 250, 600),
  cpuMilli: fc.integer({ min: 0, max: 40 }).map((cores) => cores * 1000),
  preemptible: fc.boolean(),
  topology: fc.constantFrom(
    undefined,
    { mode: 'required', level: 'rack' } as const,
    { mode: 'preferred', level: 'host' } as const,
  ),
  runtimeEstimateMs: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
});

const arbitrarySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    nodes: fc.array(
      fc.record({
        devices: fc.integer({ min: 0, max: 8 }),
        rack: fc.constantFrom('r1', 'r2'),
        bad: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    limit: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
    deserved: fc.integer({ min: 0, max: 8 }),
    workloads: fc.array(arbitraryWorkload, { maxLength: 14 }),
  })
  .map(({ nodes, limit, deserved, workloads }) =>
    snapshot({
      nodes: nodes.map(({ devices, rack, bad }, index) =>
        node(`n${index}`, devices, {
          topologyPath: ['block', rack],
          cordoned: bad && index > 0,
          islandSize: 4,
        }),
      ),
      queues: [
        queue('a', { deserved: { devices: deserved } }),
        queue('b', limit === undefined ? {} : { limit: { devices: limit } }),
        queue('b1', { parentId: 'b' }),
      ],
      workloads: workloads.map(
        (
          { members, minimum, devices, milli, cpuMilli, topology, runtimeEstimateMs, ...rest },
          index,
        ): Workload => {
          const made = workload(`w${index}`, {
            ...rest,
            members,
            devices: milli > 0 ? 0 : devices,
            request: { cpuMilli, deviceMilli: milli },
            createdAtMs: index,
          });
          made.taskGroups[0]!.minCount = Math.min(minimum, members);
          if (topology !== undefined) made.topology = topology;
          if (runtimeEstimateMs !== undefined) made.runtimeEstimateMs = runtimeEstimateMs;
          return made;
        },
      ),
    }),
  );

/** Carries a plan out: victims are gone, placements run. */
function apply(before: Snapshot, plan: Plan): Snapshot {
  const gone = new Set(plan.evictions.map(({ workloadId }) => workloadId));
  const placed = new Map(plan.placements.map(({ workloadId, members }) => [workloadId, members]));
  return {
    ...before,
    nowMs: before.nowMs + 1000,
    workloads: before.workloads
      .filter(({ id }) => !gone.has(id))
      .map((item) => {
        const members = placed.get(item.id);
        return members === undefined
          ? item
          : { ...item, state: 'running', startedAtMs: before.nowMs, allocation: members };
      }),
  };
}

function expectSound(state: Snapshot): void {
  const { state: cluster, tree } = new Planning(state);
  expect(
    Math.min(0, ...cluster.freeCpu, ...cluster.freeMemory, ...cluster.freeMilli, ...cluster.freeDeviceMemory),
  ).toBe(0);
  for (let at = 0; at < tree.usage.length; at++)
    expect(tree.usage[at]!).toBeLessThanOrEqual(tree.limit[at]! + 1e-6);
  for (const item of state.workloads.filter((other) => other.state === 'running')) {
    expect(item.allocation!.length).toBeGreaterThanOrEqual(item.taskGroups[0]!.minCount);
    for (const member of item.allocation!)
      expect(new Set(member.deviceIds).size).toBe(
        item.taskGroups[0]!.request.deviceMilli > 0 ? 1 : item.taskGroups[0]!.request.devices,
      );
    if (item.topology?.mode === 'required') {
      const racks = new Set(
        item.allocation!.map(({ nodeId }) => state.nodes.find(({ id }) => id === nodeId)!.topologyPath[1]),
      );
      expect(racks.size).toBe(1);
    }
  }
}

test('never overcommitted, gangs whole, limits and required topology kept, over two cycles with newcomers', () => {
  fc.assert(
    fc.property(arbitrarySnapshot, fc.array(arbitraryWorkload, { maxLength: 4 }), (first, newcomers) => {
      const second = apply(first, planCycle(first));
      expectSound(second);
      const urgent = newcomers.map(({ queueId, devices, members }, index) =>
        workload(`u${index}`, { queueId, devices, members, priority: 5 }),
      );
      const third = { ...second, workloads: [...second.workloads, ...urgent] };
      const plan = planCycle(third);
      expectSound(apply(third, { ...plan, evictions: [] }));
      expect(new Set(plan.evictions.map(({ workloadId }) => workloadId)).size).toBe(plan.evictions.length);
      for (const { workloadId } of plan.evictions)
        expect(third.workloads.find(({ id }) => id === workloadId)).toMatchObject({
          preemptible: true,
          state: 'running',
        });
    }),
    RUNS,
  );
});

test('every pending workload is either placed or told why', () => {
  fc.assert(
    fc.property(arbitrarySnapshot, (state) => {
      const plan = planCycle(state);
      expect([...plan.placements, ...plan.waiting].map(({ workloadId }) => workloadId).sort()).toEqual(
        state.workloads.map(({ id }) => id).sort(),
      );
      for (const waiting of plan.waiting) expect(waiting.reasons.length).toBeGreaterThan(0);
    }),
    RUNS,
  );
});

test('same input, same plan; the order of the arrays does not matter', () => {
  fc.assert(
    fc.property(arbitrarySnapshot, (state) => {
      const plan = planCycle(state);
      expect(planCycle(structuredClone(state))).toEqual(plan);
      expect(
        planCycle({ ...state, nodes: [...state.nodes].reverse(), workloads: [...state.workloads].reverse() }),
      ).toEqual(plan);
    }),
    RUNS,
  );
});

test('rollback leaves the state bit-identical', () => {
  fc.assert(
    fc.property(arbitrarySnapshot, (state) => {
      const planning = new Planning(state);
      const look = (): string =>
        `${planning.state.fingerprint()}|${planning.tree.usage.join(',')}|${[...planning.statement.running.keys()].sort().join(',')}`;
      const before = look();
      const mark = planning.statement.checkpoint();
      for (const item of state.workloads) {
        const outcome = planning.placer.place(item);
        if (outcome.ok) planning.book(item, outcome.members);
        if (item.priority === 0) planning.statement.evict(item.id);
      }
      planning.statement.rollback(mark);
      expect(look()).toBe(before);
    }),
    RUNS,
  );
});

test('a change that is said to help does start the workload when nothing else is considered first', () => {
  const options: PlanOptions = { preemption: false, reservation: false };
  fc.assert(
    fc.property(arbitrarySnapshot, (state) => {
      const after = apply(state, planCycle(state, options));
      const plan = planCycle(after, options);
      // What was said before later ones were placed may be outdated; only a still state counts.
      if (plan.placements.length > 0) return;
      for (const waiting of plan.waiting) {
        const fewer = waiting.unblock.find((change) => change.kind === 'fewer_members');
        const item = state.workloads.find(({ id }) => id === waiting.workloadId)!;
        if (fewer?.kind !== 'fewer_members') continue;
        const changed = {
          ...item,
          taskGroups: [{ ...item.taskGroups[0]!, count: fewer.count, minCount: fewer.count }],
        };
        const retry = planCycle(
          {
            ...after,
            workloads: [...after.workloads.filter(({ state: phase }) => phase === 'running'), changed],
          },
          options,
        );
        const limited = retry.waiting[0]?.reasons.some(({ tier }) => tier === 'quota');
        expect(limited === true || retry.placements.length === 1).toBe(true);
      }
    }),
    RUNS,
  );
});
