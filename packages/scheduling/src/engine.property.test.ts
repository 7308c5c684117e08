/** The engine, told of changes one by one, plans what a planner that starts from nothing plans. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Engine } from './engine.ts';
import { planCycle } from './plan-cycle.ts';
import { node, queue, snapshot, workload } from './scenario.ts';
import type { Snapshot, Workload } from './snapshot.ts';

const arbitraryEvent = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      queueId: fc.constantFrom('a', 'b', 'b1', 'nowhere'),
      members: fc.integer({ min: 1, max: 3 }),
      devices: fc.integer({ min: 0, max: 8 }),
      milli: fc.constantFrom(0, 0, 0, 100, 300, 700),
      priority: fc.integer({ min: 0, max: 2 }),
      preemptible: fc.boolean(),
      isRackBound: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('carry-out' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cordon' as const), which: fc.nat() }) },
);

const world = (): Snapshot =>
  snapshot({
    nowMs: 0,
    nodes: Array.from({ length: 5 }, (_, index) =>
      node(`n${index}`, index === 4 ? 3 : 8, { topologyPath: ['block', `r${index % 2}`], islandSize: 4 }),
    ),
    queues: [
      queue('a', { deserved: { devices: 12 } }),
      queue('b', { limit: { devices: 20 }, policy: 'las' }),
      queue('b1', { parentId: 'b', policy: 'srtf' }),
    ],
  });

test('after any events the engine plans exactly what a fresh planner does, and a plan leaves no trace', () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { minLength: 1, maxLength: 25 }), (events) => {
      let state = world();
      const engine = new Engine(state);
      const put = (changed: Workload): void => {
        engine.upsert(changed);
        state = {
          ...state,
          workloads: [...state.workloads.filter(({ id }) => id !== changed.id), changed],
        };
      };
      const drop = (gone: string): void => {
        engine.remove(gone);
        state = { ...state, workloads: state.workloads.filter(({ id }) => id !== gone) };
      };
      for (const [index, event] of events.entries()) {
        state = { ...state, nowMs: index * 600_000 };
        const { nowMs } = state;
        const nth = (which: number): Workload | undefined => state.workloads[which % state.workloads.length];
        if (event.kind === 'arrive') {
          const { queueId, members, devices, milli, priority, preemptible, isRackBound } = event;
          put(
            workload(`w${index}`, {
              queueId,
              members,
              priority,
              preemptible,
              devices: milli > 0 ? 0 : devices,
              request: { deviceMilli: milli },
              createdAtMs: nowMs,
              timeLimitMs: 3_600_000 * (1 + (index % 5)),
              ...(isRackBound ? { topology: { mode: 'required', level: 'rack' } as const } : {}),
            }),
          );
        } else if (event.kind === 'end') {
          const chosen = nth(event.which);
          if (chosen !== undefined) drop(chosen.id);
        } else if (event.kind === 'hold') {
          const chosen = nth(event.which);
          if (chosen?.state === 'pending') put({ ...chosen, held: 'by its owner' });
        } else if (event.kind === 'cordon') {
          const at = event.which % state.nodes.length;
          state = {
            ...state,
            nodes: state.nodes.map((each, other) =>
              other === at ? { ...each, cordoned: !each.cordoned } : each,
            ),
          };
          engine.setWorld(state);
        } else {
          const plan = engine.plan(nowMs);
          for (const { workloadId } of plan.evictions)
            put({ ...state.workloads.find(({ id }) => id === workloadId)!, leaving: true });
          for (const { workloadId, members } of plan.placements)
            put({
              ...state.workloads.find(({ id }) => id === workloadId)!,
              state: 'running',
              startedAtMs: nowMs,
              allocation: members,
            });
        }
        const plan = engine.plan(nowMs);
        expect(plan).toEqual(planCycle(state));
        expect(engine.plan(nowMs)).toEqual(plan);
        expect(planCycle(engine.snapshot(nowMs))).toEqual(plan);
      }
    }),
    { seed: 11, numRuns: 60 },
  );
});

test('a workload that contradicts itself is refused and changes nothing', () => {
  const engine = new Engine(world());
  engine.upsert(workload('good', { queueId: 'a' }));
  const before = engine.plan(0);
  expect(() => engine.upsert(workload('bad', { queueId: 'a', members: -1 }))).toThrow(
    expect.objectContaining({ code: 'workload_invalid' }),
  );
  expect(engine.plan(0)).toEqual(before);
  expect(engine.get('bad')).toBeUndefined();
});
