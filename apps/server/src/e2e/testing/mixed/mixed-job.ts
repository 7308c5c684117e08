/** Jobs of mixed shapes for the simulated cluster: sizes, priorities, wishes and ends drawn from the seed. */
import type { JobSpecInput } from '@gantry/contract';
import type { Random } from '@gantry/kit';
import type { OwnEnd, Script } from './simulated-runner.ts';

export const GPUS_PER_NODE = 8;
export const NODES_PER_RACK = 4;

/** Queues beside `default`, and what they get. `capped` may never hold more than its limit. */
export const QUEUES = {
  research: { deserved: { devices: 32 } },
  batch: { deserved: { devices: 8 } },
  capped: { deserved: { devices: 4 }, limit: { devices: 8 } },
} as const;

const SHAPES: readonly { readonly ranks: number; readonly gpu: number; readonly weight: number }[] = [
  { ranks: 1, gpu: 0, weight: 3 },
  { ranks: 1, gpu: 1, weight: 8 },
  { ranks: 1, gpu: 2, weight: 3 },
  { ranks: 1, gpu: 8, weight: 2 },
  { ranks: 2, gpu: 1, weight: 3 },
  { ranks: 2, gpu: 4, weight: 2 },
  { ranks: 4, gpu: 2, weight: 1 },
  { ranks: 8, gpu: 1, weight: 1 },
  { ranks: 4, gpu: 8, weight: 1 },
];
const DEALT = SHAPES.flatMap((shape) => Array.from({ length: shape.weight }, () => shape));

export function mixedJob(random: Random, name: string): JobSpecInput {
  const { ranks, gpu } = random.pick(DEALT);
  const isSmall = ranks * gpu <= QUEUES.capped.limit.devices;
  const queue = random.pick(['default', 'research', 'research', 'batch', ...(isSmall ? ['capped'] : [])]);
  const isElastic = ranks > 1 && random.next() < 0.5;
  const isPreemptible = random.next() < 0.85;
  const wish = random.next();
  const script: Script = {
    // Who is elastic stays long enough to be asked for room.
    forMs: isElastic ? 200 + random.below(600) : 5 + random.below(120),
    ends: endsOf(random),
    isStubborn: random.next() < 0.05,
  };
  return {
    name,
    queue,
    command: ['simulated', JSON.stringify(script)],
    ...(ranks > 1 ? { replicas: ranks } : {}),
    ...(isElastic ? { minReplicas: 1 + random.below(ranks) } : {}),
    resources: { cpu: 1, memory: '1GiB', gpu },
    priority: isElastic ? 0 : random.pick([0, 10, 50, 50, 50, 90]),
    preemptible: isPreemptible,
    retries: random.below(3),
    graceSeconds: 1,
    ...(wish < 0.1 ? { topology: { required: 'rack' } } : {}),
    ...(wish > 0.8 ? { topology: { preferred: 'rack' } } : {}),
  };
}

function endsOf(random: Random): readonly OwnEnd[] {
  const ends: OwnEnd[] = [];
  while (random.next() < 0.2) ends.push(random.pick(['user_error', 'out_of_memory', 'lost']));
  return [...ends, 'done'];
}
