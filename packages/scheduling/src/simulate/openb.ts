/**
 * The placement experiment of Weng et al. (ATC'23): pods arrive in a shuffled order until 130 % of
 * the devices are asked for, never leave and are never tried again; what counts is how much of the
 * cluster is allocated when 100 % has been asked for.
 */
import { createFgd, nodeFragmentMilli, type TypicalTask } from '../fragmentation.ts';
import { Planning } from '../planning.ts';
import { modelScarcity } from '../scarcity.ts';
import { bestFit, createShadowPrice, firstFit, type Scorer, worstFit } from '../scorers.ts';
import { shuffle } from './shuffle.ts';
import { createRandom, type Random } from '@gantry/kit';
import type { NodeState, Snapshot, Workload } from '../snapshot.ts';
import { readTable } from './trace-table.ts';

const MIB = 2 ** 20;
const TARGET = 1.3;

export interface OpenbPod {
  name: string;
  cpuMilli: number;
  memoryBytes: number;
  devices: number;
  milli: number;
  model: string | null;
}

export const OPENB_PLACEMENTS: Record<
  string,
  (typical: readonly TypicalTask[], nodes: readonly NodeState[]) => Scorer
> = {
  'shadow-price': (typical, nodes) => createShadowPrice({ scarcity: modelScarcity(typical, nodes) }),
  fgd: createFgd,
  'best-fit': () => bestFit,
  'worst-fit': () => worstFit,
  'first-fit': () => firstFit,
};

export interface OpenbRun {
  allocationPercentAt100: number;
  fragmentedPercentAt: Record<'80' | '90' | '100', number>;
}

export function parseOpenbNodes(name: string, content: string): NodeState[] {
  return readTable(name, content, ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model']).map((row) => {
    const id = row.text('sn');
    const model = row.text('model');
    const devices = Array.from({ length: row.amount('gpu') }, (_, index) => ({
      id: `${id}/${index}`,
      model,
      memoryBytes: 0,
      milliCapacity: 1000,
      healthy: true,
    }));
    const capacity = {
      cpuMilli: row.amount('cpu_milli'),
      memoryBytes: row.amount('memory_mib') * MIB,
      storageBytes: 0,
    };
    return {
      id,
      name: id,
      labels: {},
      taints: [],
      topologyPath: [],
      cordoned: false,
      healthy: true,
      capacity,
      devices,
    };
  });
}

export function parseOpenbPods(name: string, content: string): OpenbPod[] {
  return readTable(name, content, ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli']).map((row) => ({
    name: row.text('name'),
    cpuMilli: row.amount('cpu_milli'),
    memoryBytes: row.amount('memory_mib') * MIB,
    devices: row.amount('num_gpu'),
    milli: row.amount('gpu_milli'),
    model: row.text('gpu_spec') === '' ? null : row.text('gpu_spec'),
  }));
}

const askedMilli = (pod: OpenbPod): number => pod.devices * pod.milli;

/** Protocol step 1: shuffled, then filled up or thinned out to 130 % of the cluster. */
function arrivals(pods: readonly OpenbPod[], clusterMilli: number, random: Random): OpenbPod[] {
  const list = shuffle(
    [...pods].sort((a, b) => (a.name < b.name ? -1 : 1)),
    random,
  );
  let asked = list.reduce((sum, pod) => sum + askedMilli(pod), 0);
  while (asked > TARGET * clusterMilli) {
    const [gone] = list.splice(random.below(list.length), 1);
    asked -= askedMilli(gone!);
  }
  for (;;) {
    const pod = random.pick(pods);
    if (asked + askedMilli(pod) > TARGET * clusterMilli) return list;
    list.push(pod);
    asked += askedMilli(pod);
  }
}

/** Protocol step 4: the most frequent kinds of pod that make up 95 % of them. */
export function typicalTasks(pods: readonly OpenbPod[]): TypicalTask[] {
  const counts = new Map<string, { pod: OpenbPod; count: number }>();
  for (const pod of pods) {
    const key = [pod.cpuMilli, pod.milli, pod.devices, pod.model].join('|');
    const entry = counts.get(key);
    if (entry === undefined) counts.set(key, { pod, count: 1 });
    else entry.count++;
  }
  const kinds: { pod: OpenbPod; count: number }[] = [];
  let covered = 0;
  for (const entry of [...counts.values()].sort((a, b) => b.count - a.count)) {
    if (covered >= 0.95 * pods.length) break;
    kinds.push(entry);
    covered += entry.count;
  }
  return kinds.map(({ pod, count }) => ({
    cpuMilli: pod.cpuMilli,
    devices: pod.devices,
    milli: pod.milli,
    model: pod.model,
    part: count / covered,
  }));
}

export function runOpenb(
  nodes: readonly NodeState[],
  pods: readonly OpenbPod[],
  placement: string,
  seed: number,
  options: { randomTies?: boolean } = {},
): OpenbRun {
  const create = OPENB_PLACEMENTS[placement];
  if (create === undefined)
    throw new RangeError(
      `There is no placement "${placement}"; use one of ${Object.keys(OPENB_PLACEMENTS).join(', ')}.`,
    );
  const random = createRandom(seed);
  const clusterMilli = nodes.reduce((sum, node) => sum + node.devices.length * 1000, 0);
  const list = arrivals(pods, clusterMilli, random);
  const typical = typicalTasks(pods);
  const tieRank =
    options.randomTies === true
      ? Int32Array.from(
          shuffle(
            nodes.map((_, index) => index),
            random,
          ),
        )
      : null;
  const snapshot: Snapshot = {
    nowMs: 0,
    nodes: [...nodes],
    queues: [{ id: 'openb', parentId: null, name: 'openb' }],
    workloads: [],
  };
  const { placer, state, statement } = new Planning(snapshot, create(typical, nodes), tieRank);
  let arrived = 0;
  let allocated = 0;
  let upTo100 = 0;
  const at100: number[] = [];
  const fragmented: Record<'80' | '90' | '100', number> = { '80': 0, '90': 0, '100': 0 };
  for (const pod of list) {
    arrived += askedMilli(pod);
    if (placer.place(toWorkload(pod)).ok) allocated += askedMilli(pod);
    statement.commit();
    const percent = Math.round((100 * arrived) / clusterMilli);
    // Of a small cluster no arrival may round to exactly 100: then the last one before counts.
    if (percent <= 100) upTo100 = (100 * allocated) / clusterMilli;
    if (percent === 100) at100.push((100 * allocated) / clusterMilli);
    const mark = String(percent);
    if ((mark === '80' || mark === '90' || mark === '100') && fragmented[mark] === 0) {
      let fragment = 0;
      for (let node = 0; node < state.nodes.length; node++)
        fragment += nodeFragmentMilli(state, node, typical);
      fragmented[mark] = (100 * fragment) / clusterMilli;
    }
  }
  return {
    allocationPercentAt100:
      at100.length === 0 ? upTo100 : at100.reduce((sum, value) => sum + value, 0) / at100.length,
    fragmentedPercentAt: fragmented,
  };
}

function toWorkload(pod: OpenbPod): Workload {
  const shared = pod.devices === 1 && pod.milli < 1000;
  const request = {
    cpuMilli: pod.cpuMilli,
    memoryBytes: pod.memoryBytes,
    storageBytes: 0,
    devices: shared ? 0 : pod.devices,
    deviceMilli: shared ? pod.milli : 0,
    ...(pod.model === null ? {} : { deviceModel: pod.model }),
  };
  const taskGroups = [{ name: 'pod', count: 1, minCount: 1, request }];
  return {
    id: pod.name,
    queueId: 'openb',
    tenantId: 'openb',
    priority: 0,
    createdAtMs: 0,
    preemptible: false,
    taskGroups,
    state: 'pending',
  };
}
