/**
 * What went wrong in other schedulers, as tables: cluster, queues, work, outcome. Beside each stands what
 * went wrong there, put in the place of our rule: with it the scenario must fail, or it would guard nothing.
 * KAI #2075 is missing: its text could not be read.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { node, queue, residents, running, snapshot, workload } from './scenario.ts';
import type { NodeState, QueueNode, Workload } from './snapshot.ts';
import type * as OrderModule from './order.ts';
import type * as TopologyModule from './topology.ts';

type OrderExports = typeof OrderModule;
type TopologyExports = typeof TopologyModule;

interface Outcome {
  starts: string[];
  evicts?: string[];
  waits?: Record<string, string>;
}

interface PeerFailure {
  name: string;
  nodes: NodeState[];
  queues?: QueueNode[];
  workloads: Workload[];
  expected: Outcome;
  /** How the peer did it. */
  instead: () => unknown;
}

const NOW_MS = 1_000_000;
const HOUR_MS = 3_600_000;
const rack = (name: string) => ({ topologyPath: ['block', name] });

/** One module with some of its exports done as the peer does. */
function withInstead(path: string, exports: Record<string, unknown>): void {
  vi.doMock(path, async (original) => ({ ...(await original<object>()), ...exports }));
}

const failures: PeerFailure[] = [
  {
    name: 'Kueue #5243: evicts on one node, not eight devices scattered over two',
    nodes: [node('n1', 8), node('n2', 8)],
    workloads: [
      ...residents('a', 'n1', 0, 8, { startedAtMs: 0 }),
      ...residents('cheap', 'n2', 0, 4, { startedAtMs: NOW_MS }),
      ...residents('fixed', 'n2', 4, 8, { preemptible: false }),
      workload('whole', { devices: 8, priority: 1 }),
    ],
    expected: {
      starts: [],
      evicts: ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'],
      waits: { whole: 'waiting_for_victims' },
    },
    instead: () => byCounting((cheapestFirst, asked) => cheapestFirst.slice(0, asked)),
  },
  {
    name: 'Kueue #6763: among equal queues and workloads the same victims in every cycle',
    nodes: [node('n1', 8)],
    queues: [queue('lender', { deserved: { devices: 4 } }), queue('left'), queue('right')],
    workloads: [
      ...residents('l', 'n1', 0, 4, { queueId: 'left' }),
      ...residents('r', 'n1', 4, 8, { queueId: 'right' }),
      workload('mine', { queueId: 'lender', devices: 2 }),
    ],
    expected: { starts: [], evicts: ['l0', 'r0'], waits: { mine: 'waiting_for_victims' } },
    instead: () => withInstead('./victim-candidates.ts', { byCost: () => 0 }),
  },
  {
    name: 'Kueue #10131: reclaims no more than is needed',
    nodes: [node('n1', 8)],
    queues: [queue('lender', { deserved: { devices: 4 } }), queue('borrower')],
    workloads: [
      ...residents('b', 'n1', 0, 8, { queueId: 'borrower' }),
      workload('mine', { queueId: 'lender', devices: 2 }),
    ],
    expected: { starts: [], evicts: ['b0', 'b1'], waits: { mine: 'waiting_for_victims' } },
    instead: () => byCounting((everybody) => everybody),
  },
  {
    name: 'Kueue #477: the victim is the one that has just written a checkpoint',
    nodes: [node('n1', 2)],
    workloads: [
      running('early', [['n1', 0]], { startedAtMs: 0 }),
      running('saved', [['n1', 1]], { startedAtMs: 0, lastCheckpointAtMs: NOW_MS - 1000 }),
      workload('urgent', { priority: 1 }),
    ],
    expected: { starts: [], evicts: ['saved'], waits: { urgent: 'waiting_for_victims' } },
    instead: () => withInstead('./lost-work.ts', { victimCost: () => 0 }),
  },
  {
    name: 'Kueue #13797: nobody else is evicted while the victims are still leaving',
    nodes: [node('n1', 2)],
    workloads: [
      running('leaver', [['n1', 0]], { leaving: true }),
      running('other', [['n1', 1]]),
      workload('urgent', { priority: 1 }),
    ],
    expected: { starts: [], evicts: [], waits: { urgent: 'waiting_for_victims' } },
    instead: async () => {
      const { Planning } = await import('./planning.ts');
      vi.spyOn(Planning.prototype, 'departures').mockReturnValue([]);
    },
  },
  {
    name: 'Volcano #665, #4617: a gang that fragmentation keeps waiting does not block the queue',
    nodes: [node('n1', 8), node('n2', 8)],
    workloads: [
      running('r1', [['n1', 0]], { preemptible: false, runtimeEstimateMs: 2 * HOUR_MS }),
      running('r2', [['n2', 0]], { preemptible: false, runtimeEstimateMs: 3 * HOUR_MS }),
      workload('gang', { devices: 8, createdAtMs: 0 }),
      workload('small', { devices: 4, createdAtMs: 1, runtimeEstimateMs: 10 * HOUR_MS }),
    ],
    expected: { starts: ['small'], waits: { gang: 'fragmented' } },
    instead: async () => {
      const { PendingOrder } = await vi.importActual<OrderExports>('./order.ts');
      class HeadOnly extends PendingOrder {
        #isTaken = false;
        override take(): ReturnType<InstanceType<typeof PendingOrder>['take']> {
          if (this.#isTaken) return null;
          this.#isTaken = true;
          return super.take();
        }
      }
      withInstead('./order.ts', { PendingOrder: HeadOnly });
    },
  },
  {
    name: 'Volcano #5805: a repaired node goes to the gang that lost it, not to an older filler of equal priority',
    nodes: [node('n1', 8), node('n2', 8)],
    workloads: [
      workload('gang', {
        members: 2,
        devices: 8,
        createdAtMs: 5,
        kept: { why: 'wounded', nodeIds: ['n1', 'n2'], untilMs: NOW_MS + HOUR_MS },
      }),
      workload('filler', { createdAtMs: 0 }),
    ],
    expected: { starts: ['gang'], waits: { filler: 'insufficient_capacity' } },
    instead: () => withInstead('./kept-nodes.ts', { keptNodes: () => null }),
  },
  {
    name: 'Volcano #5805: what a wounded gang has left is kept for it while its node is away, even from higher priorities',
    nodes: [node('n1', 8), node('n2', 8, { healthy: false })],
    workloads: [
      workload('gang', {
        members: 2,
        devices: 8,
        createdAtMs: 5,
        kept: { why: 'wounded', nodeIds: ['n1', 'n2'], untilMs: NOW_MS + HOUR_MS },
      }),
      workload('urgent', { priority: 9 }),
    ],
    expected: { starts: [], waits: { gang: 'insufficient_capacity', urgent: 'behind_reservation' } },
    instead: () => withInstead('./kept-nodes.ts', { keptNodes: () => null }),
  },
  {
    name: 'KAI #1969: a large job gets a reservation; a long small one may not take its nodes, a short one may',
    nodes: [node('n1', 8), node('n2', 8)],
    queues: [queue('main', { policy: 'fifo-backfill' })],
    workloads: [
      running('r1', [['n1', 0]], { preemptible: false, devices: 4, runtimeEstimateMs: 2 * HOUR_MS }),
      workload('large', { members: 2, devices: 8, createdAtMs: 0 }),
      workload('long', { devices: 4, createdAtMs: 1, runtimeEstimateMs: 10 * HOUR_MS }),
      workload('short', { devices: 4, createdAtMs: 2, runtimeEstimateMs: HOUR_MS }),
    ],
    expected: { starts: ['short'], waits: { large: 'insufficient_capacity', long: 'behind_reservation' } },
    instead: () => withInstead('./reservation.ts', { reserve: () => null }),
  },
  {
    name: 'dstack #2221: the domain is chosen that has enough nodes for the gang, not the first',
    nodes: [node('n1', 8, rack('one')), node('n2', 8, rack('two')), node('n3', 8, rack('two'))],
    workloads: [workload('pair', { members: 2, devices: 8, topology: { mode: 'required', level: 'rack' } })],
    expected: { starts: ['pair'] },
    instead: async () => {
      const { domainsOf } = await vi.importActual<TopologyExports>('./topology.ts');
      withInstead('./topology.ts', {
        domainsOf: (...of: Parameters<typeof domainsOf>) => domainsOf(...of).slice(0, 1),
      });
    },
  },
  {
    name: 'KAI #1591: a gang bound to a rack gets it from lower priorities that fill it, wherever else is room',
    nodes: [node('n1', 8, rack('one')), node('n2', 8, rack('two')), node('n3', 8, rack('two'))],
    workloads: [
      running('low2', [['n2', 0]], { devices: 8 }),
      running('low3', [['n3', 0]], { devices: 8 }),
      workload('pair', {
        members: 2,
        devices: 8,
        priority: 1,
        topology: { mode: 'required', level: 'rack' },
      }),
    ],
    expected: { starts: [], evicts: ['low2', 'low3'], waits: { pair: 'waiting_for_victims' } },
    // Domains without free room are left out before anybody is looked for.
    instead: () =>
      withInstead('./victims.ts', {
        findVictims: (_planning: unknown, { topology }: Workload) =>
          topology?.mode === 'required' ? null : [],
      }),
  },
  {
    name: 'dstack #4146: a gang of which one member has no place holds none for the others',
    nodes: [node('n1', 8), node('n2', 8)],
    queues: [queue('main', { policy: 'fifo' })],
    workloads: [
      running('busy', [['n2', 0]], { devices: 4, runtimeEstimateMs: 9 * HOUR_MS }),
      workload('pair', { members: 2, devices: 8, createdAtMs: 0 }),
      workload('next', { devices: 8, createdAtMs: 1, runtimeEstimateMs: HOUR_MS }),
    ],
    expected: { starts: ['next'], waits: { pair: 'insufficient_capacity' } },
    instead: async () => {
      const { Statement } = await import('./statement.ts');
      vi.spyOn(Statement.prototype, 'rollback').mockReturnValueOnce();
    },
  },
  {
    name: 'dstack #1994: what can never run says so instead of waiting for capacity',
    nodes: [node('n1', 8)],
    workloads: [workload('impossible', { members: 2, devices: 8 }), workload('next', { createdAtMs: 1 })],
    expected: { starts: ['next'], waits: { impossible: 'unsatisfiable_request' } },
    instead: () => withInstead('./can-ever-run.ts', { canEverRun: () => [] }),
  },
  {
    name: 'SkyPilot #5493: equal jobs start in the order they came',
    nodes: [node('n1', 2)],
    workloads: [
      workload('a', { createdAtMs: 3 }),
      workload('c', { createdAtMs: 1 }),
      workload('b', { createdAtMs: 2 }),
    ],
    expected: { starts: ['c', 'b'], waits: { a: 'insufficient_capacity' } },
    instead: () =>
      withInstead('./policies.ts', {
        policyOf: () => ({ order: () => (left: Workload, right: Workload) => (left.id < right.id ? -1 : 1) }),
      }),
  },
];

/** Victims by their number of devices alone, cheapest first, wherever they are. */
async function byCounting(
  choose: <T>(cheapestFirst: readonly T[], devices: number) => readonly T[],
): Promise<void> {
  const { byCost, candidatesFor } = await import('./victim-candidates.ts');
  withInstead('./victims.ts', {
    findVictims: (...[planning, asks]: Parameters<typeof candidatesFor>) => {
      const chosen = choose(
        [...candidatesFor(planning, asks)].sort(byCost),
        asks.taskGroups[0]!.request.devices,
      );
      if (chosen.length === 0) return null;
      const reason = { code: 'preempted', forWorkloadId: asks.id, lostDeviceSeconds: 0 };
      return {
        evictions: chosen.map((victim) => ({ workloadId: victim.workload.id, reason })),
        resizes: [],
        nodes: [],
      };
    },
  });
}

/** Planned twice, written down in either order: both must agree. */
async function outcomesOf({ nodes, queues, workloads }: PeerFailure): Promise<Outcome[]> {
  const { planCycle } = await import('./plan-cycle.ts');
  return [false, true].map((isReversed): Outcome => {
    const inOrder = <T>(list: readonly T[]): T[] => (isReversed ? [...list].reverse() : [...list]);
    const plan = planCycle(
      snapshot({
        nowMs: NOW_MS,
        nodes: inOrder(nodes),
        workloads: inOrder(workloads),
        ...(queues === undefined ? {} : { queues: inOrder(queues) }),
      }),
    );
    return {
      starts: plan.placements.map(({ workloadId }) => workloadId),
      evicts: plan.evictions.map(({ workloadId }) => workloadId).sort(),
      waits: Object.fromEntries(
        plan.waiting.map(({ workloadId, reasons }) => [workloadId, reasons[0]!.code]),
      ),
    };
  });
}

afterEach(() => {
  vi.restoreAllMocks();
  for (const module of [
    'order',
    'victims',
    'victim-candidates',
    'lost-work',
    'kept-nodes',
    'reservation',
    'topology',
    'can-ever-run',
    'policies',
  ])
    vi.doUnmock(`./${module}.ts`);
  vi.resetModules();
});

test.each(failures)('$name', async (failure) => {
  const { expected } = failure;
  const whole = { evicts: [], waits: {}, ...expected };
  expect(await outcomesOf(failure)).toEqual([whole, whole]);
  vi.resetModules();
  await failure.instead();
  expect(await outcomesOf(failure)).not.toEqual([whole, whole]);
});
