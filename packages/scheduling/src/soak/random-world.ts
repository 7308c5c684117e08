/** Clusters, queue trees and workloads as a seed makes them: small, crooked and crowded. */
import type { Random } from '@gantry/kit';
import { node, queue, workload } from '../scenario.ts';
import type { NodeState, QueueNode, Snapshot, Workload } from '../snapshot.ts';

const GIB = 2 ** 30;
const POLICIES = [
  'default',
  'priority',
  'fifo',
  'fifo-backfill',
  'sjf',
  'srtf',
  'las',
  'deadline',
  'fair-share',
  'optimus',
  'goodput',
  'throughput-aware',
];

export function randomWorld(random: Random): Pick<Snapshot, 'nodes' | 'queues'> {
  const nodes = Array.from({ length: 2 + random.below(7) }, (_, index): NodeState => {
    const devices = random.pick([0, 2, 4, 8, 8]);
    return node(`n${index}`, devices, {
      topologyPath: [`block-${index % 2}`, `rack-${index % 4}`],
      islandSize: random.pick([2, 4]),
      model: random.pick(['a100', 'a100', 'h100']),
      labels: random.below(3) === 0 ? { disk: 'fast' } : {},
      taints: random.below(6) === 0 ? [{ key: 'team', value: 'nlp', effect: 'NoSchedule' }] : [],
      capacity: { cpuMilli: 32_000, memoryBytes: 256 * GIB, storageBytes: 1024 * GIB },
    });
  });
  const shaped = (id: string, parentId: string | null): QueueNode =>
    queue(id, {
      parentId,
      policy: random.pick(POLICIES),
      deserved: { devices: random.below(12) },
      weight: { devices: 1 + random.below(3) },
      priority: random.below(8) === 0 ? 1 : 0,
      ...(random.below(3) === 0 ? { limit: { devices: 4 + random.below(16) } } : {}),
      ...(random.below(4) === 0 ? { borrowing: { devices: random.below(10) } } : {}),
      ...(random.below(4) === 0 ? { lending: { devices: random.below(6) } } : {}),
      ...(random.below(3) === 0 ? { recentUse: random.next() } : {}),
      ...(random.below(6) === 0
        ? {
            expected: [
              { devices: random.below(8), fromMs: 3_600_000, untilMs: 3_600_000 * (2 + random.below(4)) },
            ],
          }
        : {}),
      ...(random.below(6) === 0
        ? { shape: { nodes: 1 + random.below(2), devices: 1 + random.below(8) } }
        : {}),
      ...(random.below(5) === 0 ? { minRuntimeMs: 600_000 } : {}),
    });
  return {
    nodes,
    queues: [shaped('a', null), shaped('b', null), shaped('b1', 'b'), shaped('b2', 'b'), shaped('b11', 'b1')],
  };
}

export function randomWorkload(random: Random, id: string, nowMs: number): Workload {
  const isShare = random.below(6) === 0;
  const members = 1 + random.below(random.pick([1, 1, 2, 4]));
  const made = workload(id, {
    queueId: random.pick(['a', 'b2', 'b11']),
    priority: random.below(3),
    createdAtMs: nowMs,
    preemptible: random.below(4) > 0,
    members,
    devices: isShare ? 0 : random.pick([0, 1, 1, 2, 4, 8]),
    request: {
      cpuMilli: 1000 * (1 + random.below(6)),
      memoryBytes: GIB * (1 + random.below(16)),
      deviceMilli: isShare ? random.pick([100, 250, 500]) : 0,
      ...(random.below(6) === 0 ? { deviceModel: random.pick(['a100', 'h100', 'a100|h100']) } : {}),
    },
    restartCostMs: 30_000,
    timeLimitMs: 60_000 * (1 + random.below(600)),
  });
  if (random.below(3) === 0) made.taskGroups[0]!.minCount = 1 + random.below(members);
  if (random.below(4) === 0)
    made.topology = {
      mode: random.pick(['required', 'preferred']),
      level: random.pick(['block', 'rack', 'host']),
    };
  if (members > 1 && made.taskGroups[0]!.minCount === members && random.below(3) === 0)
    made.slices = { size: 1 + random.below(members), level: random.pick(['rack', 'host', 'island']) };
  if (random.below(10) === 0) made.nodeSelector = { disk: 'fast' };
  if (random.below(5) === 0)
    made.tolerations = [random.below(2) === 0 ? { key: 'team' } : { key: 'team', value: 'nlp' }];
  if (random.below(4) === 0) made.deadlineMs = nowMs + 60_000 * random.below(600);
  if (random.below(2) === 0) made.runtimeEstimateMs = made.timeLimitMs! * (0.2 + 0.8 * random.next());
  if (random.below(2) === 0)
    made.speed = {
      left: 1000 * (1 + random.below(100)),
      runs: ['a100', 'h100'].flatMap((model, faster) =>
        random.below(3) === 0
          ? []
          : [1, 2, 4].slice(random.below(3)).map((count) => ({
              model,
              members: count,
              perSecond: (1 + faster) * count ** (0.5 + 0.5 * random.next()),
            })),
      ),
    };
  return made;
}
