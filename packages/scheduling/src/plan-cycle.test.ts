import { describe, expect, test } from 'vitest';
import { canEverRun } from './can-ever-run.ts';
import { planCycle } from './plan-cycle.ts';
import { describeReason } from './reason.ts';
import { node, queue, running, snapshot, workload } from './scenario.ts';
import type { NodeState } from './snapshot.ts';

const placedIds = (plan: ReturnType<typeof planCycle>): string[] =>
  plan.placements.map(({ workloadId }) => workloadId);

describe('order', () => {
  test('priority first, then age', () => {
    const workloads = [
      workload('old', { createdAtMs: 1 }),
      workload('older', { createdAtMs: 0 }),
      workload('urgent', { createdAtMs: 2, priority: 5 }),
    ];
    expect(placedIds(planCycle(snapshot({ nodes: [node('n', 2)], workloads })))).toEqual(['urgent', 'older']);
  });

  test('at equal priority the less saturated queue goes first', () => {
    const queues = [queue('a'), queue('b')];
    const workloads = [
      running('r', [['n', 0]], { queueId: 'a' }),
      workload('a1', { queueId: 'a', createdAtMs: 1 }),
      workload('b1', { queueId: 'b', createdAtMs: 2 }),
      workload('b2', { queueId: 'b', createdAtMs: 3 }),
    ];
    expect(placedIds(planCycle(snapshot({ nodes: [node('n', 3)], queues, workloads })))).toEqual([
      'b1',
      'a1',
    ]);
  });
});

describe('placement', () => {
  test('a gang starts whole or not at all, and says what scatters the room', () => {
    const nodes = [node('n1', 4), node('n2', 4)];
    const plan = planCycle(
      snapshot({
        nodes,
        workloads: [
          running(
            'r',
            [
              ['n1', 0],
              ['n2', 0],
            ],
            { devices: 1 },
          ),
          workload('gang', { members: 2, devices: 4 }),
        ],
      }),
      { preemption: false },
    );
    expect(plan.placements).toEqual([]);
    expect(plan.waiting[0]!.reasons[0]).toMatchObject({
      code: 'insufficient_capacity',
      resource: 'devices',
      requested: 8,
      free: 6,
    });
    expect(plan.waiting[0]!.unblock).toContainEqual({ kind: 'fewer_devices', group: 'worker', devices: 3 });
  });

  test('a wait for capacity tells how many nodes take nothing new', () => {
    const nodes = [node('n1', 4), { ...node('n2', 4), cordoned: true }];
    const plan = planCycle(snapshot({ nodes, workloads: [workload('w', { devices: 4, members: 2 })] }));
    const [reason] = plan.waiting[0]!.reasons;
    expect(reason).toMatchObject({ code: 'insufficient_capacity', free: 4, restingNodes: 1 });
    expect(describeReason(reason!)).toContain(' 1 node takes nothing new: cordoned, draining or unhealthy.');
  });

  test('devices of one link island are preferred', () => {
    const nodes = [node('n', 8, { islandSize: 4 })];
    const plan = planCycle(
      snapshot({
        nodes,
        workloads: [running('r', [['n', 0]], { devices: 2 }), workload('w', { devices: 4 })],
      }),
    );
    expect(plan.placements[0]!.members[0]!.deviceIds).toEqual(['n/4', 'n/5', 'n/6', 'n/7']);
  });

  test('a required rack holds the whole gang', () => {
    const nodes = ['a', 'b'].flatMap((rack) =>
      [1, 2].map((index) => node(`${rack}${index}`, 8, { topologyPath: ['block', rack] })),
    );
    const workloads = [
      running('r', [['a1', 0]], { devices: 1 }),
      workload('gang', { members: 2, devices: 8, topology: { mode: 'required', level: 'rack' } }),
    ];
    expect(
      planCycle(snapshot({ nodes, workloads })).placements[0]!.members.map(({ nodeId }) => nodeId),
    ).toEqual(['b1', 'b2']);
  });

  test('two halves share one device', () => {
    const half = { request: { deviceMilli: 500 }, devices: 0 };
    const plan = planCycle(
      snapshot({ nodes: [node('n', 2)], workloads: [workload('a', half), workload('b', half)] }),
    );
    expect(plan.placements.map(({ members }) => members[0]!.deviceIds)).toEqual([['n/0'], ['n/0']]);
  });

  test('an elastic gang starts with its minimum and takes what more there is', () => {
    const elastic = workload('e', {});
    elastic.taskGroups[0] = { ...elastic.taskGroups[0]!, count: 8, minCount: 2 };
    expect(
      planCycle(snapshot({ nodes: [node('n', 5)], workloads: [elastic] })).placements[0]!.members,
    ).toHaveLength(5);
  });
});

describe('queues', () => {
  test('a limit holds, and the amount that would lift it is said', () => {
    const queues = [queue('main', { limit: { devices: 2 } })];
    const workloads = [running('r', [['n', 0]], {}), workload('w', { devices: 2 })];
    const [waiting] = planCycle(snapshot({ nodes: [node('n', 8)], queues, workloads })).waiting;
    expect(waiting!.reasons).toEqual([
      {
        code: 'queue_limit',
        tier: 'quota',
        queueId: 'main',
        resource: 'devices',
        used: 1,
        requested: 2,
        limit: 2,
      },
    ]);
    expect(waiting!.unblock).toEqual([
      { kind: 'raise_queue_limit', queueId: 'main', resource: 'devices', by: 1 },
    ]);
  });

  test.each([
    ['queue_cycle', [queue('main', { parentId: 'b' }), queue('b', { parentId: 'main' })]],
    ['queue_parent_unknown', [queue('main', { parentId: 'nowhere' })]],
    ['queue_duplicate', [queue('main'), queue('main')]],
    ['queue_amount_invalid', [queue('main', { weight: { devices: -1 } })]],
  ])('%s is refused with a hint', (code, queues) => {
    expect(() => planCycle(snapshot({ queues }))).toThrow(
      expect.objectContaining({ code, hint: expect.any(String) }),
    );
  });
});

describe('explanation', () => {
  test('a request no node could ever satisfy is a misconfiguration, not a wait', () => {
    const impossible = workload('w', { devices: 16 });
    const reasons = canEverRun(impossible, snapshot({ nodes: [node('n', 8)] }));
    expect(reasons).toEqual([
      {
        code: 'unsatisfiable_request',
        tier: 'misconfigured',
        group: 'worker',
        detail: { kind: 'resource', resource: 'devices', requested: 16, largest: 8 },
      },
    ]);
    expect(describeReason(reasons[0]!)).toBe(
      'No node could ever run group "worker": a member asks for 16 devices, the largest matching node has 8.',
    );
  });

  test.each([
    ['device_model', { request: { deviceModel: 'h100' } }],
    ['device_memory', { request: { deviceMemoryBytes: 200 * 2 ** 30 } }],
    ['selector', { nodeSelector: { zone: 'moon' } }],
    ['gang_size', { members: 9 }],
  ])('%s is named', (kind, shape) => {
    expect(canEverRun(workload('w', shape), snapshot({ nodes: [node('n', 8)] }))[0]).toMatchObject({
      detail: { kind },
    });
  });

  test('taints that keep it away are named, and what a part of a device misses is said in parts', () => {
    const tainted = node('n', 8, { taints: [{ key: 'team', value: 'nlp', effect: 'NoSchedule' }] });
    const told = (shape: object, at: NodeState): string | undefined =>
      canEverRun(workload('w', shape), snapshot({ nodes: [at] })).map(describeReason)[0];
    expect(told({ tolerations: [{ key: 'team', value: 'vision' }] }, tainted)).toContain('(team=nlp)');
    expect(told({ tolerations: [{ key: 'team' }] }, tainted)).toBeUndefined();
    expect(told({ devices: 0, request: { deviceMilli: 500 } }, node('n', 0))).toContain(
      'asks for 0.5 devices',
    );
  });

  test('a toleration or another choice of nodes is offered only where it is its owner’s to give', () => {
    const open = node('open', 8, { labels: { pool: 'slow' } });
    const kept = node('kept', 8, {
      labels: { pool: 'fast' },
      taints: [{ key: 'team', value: 'nlp', effect: 'NoSchedule' }],
    });
    const holder = workload('r', {
      state: 'running',
      devices: 8,
      allocation: [
        { group: 'worker', index: 0, nodeId: 'open', deviceIds: open.devices.map(({ id }) => id) },
      ],
    });
    const helps = (shape: Parameters<typeof workload>[1]): readonly string[] | undefined =>
      planCycle(
        snapshot({ nodes: [open, kept], workloads: [holder, workload('w', { devices: 4, ...shape })] }),
      )
        .waiting.find(({ workloadId }) => workloadId === 'w')
        ?.unblock.map(({ kind }) => kind);
    expect(helps({})).toEqual(['tolerate']);
    const tolerant = { tolerations: [{ key: 'team' }], nodeSelector: { pool: 'slow' } };
    expect(helps(tolerant)).toContain('drop_selector');
    expect(helps({ ...tolerant, bound: { pool: 'slow' } })).not.toContain('drop_selector');
  });

  test('position and who is ahead', () => {
    const workloads = [workload('a', { devices: 2 }), workload('b', { devices: 2, createdAtMs: 1 })];
    const { waiting } = planCycle(
      snapshot({
        nodes: [node('n', 2)],
        workloads: [running('r', [['n', 0]], { devices: 1 }), ...workloads],
      }),
      { preemption: false },
    );
    expect(waiting.map(({ workloadId, position, ahead }) => ({ workloadId, position, ahead }))).toEqual([
      { workloadId: 'a', position: 1, ahead: [] },
      { workloadId: 'b', position: 2, ahead: ['a'] },
    ]);
  });
});

test('devices of one member hang on one link island, else on one socket', () => {
  const sockets = node('n', 8, { islandSize: 1 });
  sockets.devices.forEach((device, index) => {
    device.numa = String(Math.floor(index / 4));
  });
  const given = (devices: number, held: readonly [number, number][]): readonly string[] | undefined => {
    const holders = held.map(([from, to], index) =>
      running(
        `r${index}`,
        Array.from({ length: to - from }, (_, at) => ['n', from + at] as [string, number]),
      ),
    );
    const plan = planCycle(
      snapshot({ nodes: [sockets], workloads: [...holders, workload('w', { devices })] }),
    );
    return plan.placements[0]?.members[0]?.deviceIds.map((id) => id.replace(/^.*?(\d+)$/, '$1'));
  };
  expect(given(4, [[0, 1]])).toEqual(['4', '5', '6', '7']);
  expect(
    given(2, [[1, 4]])
      ?.map(Number)
      .every((index) => index >= 4),
  ).toBe(true);
  expect(given(6, [])).toHaveLength(6);
});
