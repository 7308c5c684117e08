/** How fast one cycle decides at 10,000 nodes. Peers: published figures, on the peers' own machines. */
import { Engine, planCycle, type Snapshot, type Workload } from '@gantry/scheduling';
import { node, queue, running, snapshot, workload } from '@gantry/scheduling/scenario';
import type { BenchLine } from '../bench-line.ts';

export const NODES = 10_000;
const ROUNDS = 5;

export function cluster(): Snapshot['nodes'] {
  return Array.from({ length: NODES }, (_, index) =>
    node(`n${String(index).padStart(5, '0')}`, 8, {
      topologyPath: [`block-${Math.floor(index / 2000)}`, `rack-${Math.floor(index / 40)}`],
    }),
  );
}

function measure(
  name: string,
  unit: string,
  most: number,
  peer: { value: number; name: string } | undefined,
  once: () => void,
): BenchLine[] {
  once();
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    once();
    return performance.now() - start;
  });
  const ours = [...rounds].sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
  return [
    {
      bench: 'scheduling',
      case: name,
      ours,
      peer: peer?.value,
      peerName: peer?.name,
      better: 'less',
      bar: `<= ${most}`,
      pass: ours <= most,
      unit,
      rounds,
    },
  ];
}

/** 80,000 one-device jobs onto 80,000 devices, snapshot to plan. */
export function fill(): Promise<BenchLine[]> {
  const workloads = Array.from({ length: NODES * 8 }, (_, index) =>
    workload(`w${index}`, { createdAtMs: index }),
  );
  const state = snapshot({ nodes: cluster(), workloads });
  return Promise.resolve(
    measure('fill-80000', 'ms', 1000, undefined, () => {
      if (planCycle(state).placements.length !== NODES * 8) throw new Error('the cluster was not filled');
    }),
  );
}

/** 1,250 members of 8 devices that must share a block. */
export function gang(): Promise<BenchLine[]> {
  const state = snapshot({
    nodes: cluster(),
    workloads: [
      workload('gang', { members: 1250, devices: 8, topology: { mode: 'required', level: 'block' } }),
    ],
  });
  return Promise.resolve(
    measure(
      'gang-10000',
      'ms',
      50,
      { value: 48_700, name: 'KAI, 512-pod gang on 512 nodes, published' },
      () => {
        if (planCycle(state).placements.length !== 1) throw new Error('the gang was not placed');
      },
    ),
  );
}

const VERDICTS = 600;

/** Requests that differ from one another, so that no verdict is known already: too large, no room, no rack. */
function hopeless(turn: number): Workload {
  const request = { cpuMilli: 1000 + turn };
  if (turn % 3 === 0) return workload(`w${turn}`, { devices: 16, request });
  if (turn % 3 === 1)
    return workload(`w${turn}`, { devices: 1 + (turn % 8), members: 1 + (turn % 5), request });
  return workload(`w${turn}`, {
    devices: 8,
    members: 10,
    request,
    topology: { mode: 'required', level: 'rack' },
  });
}

/** A full cluster: one job comes and is told why it waits, with everything that was tried for it. */
export function verdict(): Promise<BenchLine[]> {
  const nodes = cluster();
  const residents = nodes.map(({ name }, index) =>
    running(`r${index}`, [[name, 0]], { devices: 8, preemptible: false, runtimeEstimateMs: 1e6 + index }),
  );
  const engine = new Engine(snapshot({ nodes, workloads: residents }));
  const tookMs: number[] = [];
  // A live server has planned before.
  for (let turn = -30; turn < VERDICTS; turn++) {
    const asks = hopeless(turn + 30);
    const start = performance.now();
    engine.upsert(asks);
    const { waiting } = engine.plan(1_000_000);
    if (turn >= 0) tookMs.push(performance.now() - start);
    if (waiting[0]!.reasons.length === 0) throw new Error('nobody said why');
    engine.remove(asks.id);
  }
  tookMs.sort((a, b) => a - b);
  const p99 = tookMs[Math.floor(VERDICTS * 0.99)]!;
  return Promise.resolve([
    {
      bench: 'scheduling',
      case: 'verdict-10000-nodes-p99',
      ours: p99,
      peer: 249_500,
      peerName: 'KAI, published',
      better: 'less',
      bar: '<= 10',
      pass: p99 <= 10,
      unit: 'ms',
      rounds: [tookMs[VERDICTS / 2]!, p99],
    },
  ]);
}

/** 500 nodes full of 4,000 one-device jobs of a queue over its share; a 4,000-device gang reclaims. */
export function reclaim(): Promise<BenchLine[]> {
  const nodes = Array.from({ length: 500 }, (_, index) => node(`n${String(index).padStart(4, '0')}`, 8));
  const residents = Array.from({ length: 4000 }, (_, index) =>
    running(`r${index}`, [[nodes[index >> 3]!.name, index & 7]], { queueId: 'borrower', startedAtMs: index }),
  );
  const queues = [queue('borrower'), queue('owner', { deserved: { devices: 4000 } })];
  const state = snapshot({
    nodes,
    queues,
    workloads: [...residents, workload('owner-gang', { queueId: 'owner', members: 500, devices: 8 })],
  });
  return Promise.resolve(
    measure('reclaim-4000', 'ms', 1000, { value: 694_000, name: 'KAI, published' }, () => {
      if (planCycle(state).evictions.length !== 4000) throw new Error('not everything was reclaimed');
    }),
  );
}

/** 10,000 pending on a full cluster of 1,250 nodes: a job ends, the engine is told, and plans. */
export function event(): Promise<BenchLine[]> {
  const nodes = Array.from({ length: 1250 }, (_, index) => node(`n${String(index).padStart(4, '0')}`, 8));
  const residents = nodes.map(({ name }, index): Workload =>
    running(`r${index}`, [[name, 0]], { devices: 8, preemptible: false }),
  );
  const pending = Array.from({ length: 10_000 }, (_, index) =>
    workload(`p${index}`, { devices: 1 + (index & 7), createdAtMs: index }),
  );
  const engine = new Engine(snapshot({ nodes, workloads: [...residents, ...pending] }));
  let turn = 0;
  const once = (): void => {
    const ended = residents[turn++ % residents.length]!;
    engine.remove(ended.id);
    if (engine.plan(1_000_000).placements.length === 0) throw new Error('the free node was not used');
    engine.upsert(ended);
  };
  // A live server has planned before.
  for (let warm = 0; warm < 20; warm++) once();
  return Promise.resolve(measure('event-10000-pending', 'ms', 20, undefined, once));
}
