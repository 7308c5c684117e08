/**
 * A made-up past of a cluster whose users come back: each has a few kinds of jobs that run about as
 * long each time, and asks for a limit in his own careless way. (The public traces carry no users or
 * names, so what is learned from these cannot be shown on them.)
 */
import { createRandom, type Random } from '@gantry/kit';

export interface HistoryJob {
  id: string;
  user: string;
  /** Of its kind, as people name jobs: `user-3-kind-1`. */
  name: string;
  /** Missing = the one there is. */
  queue?: string;
  arrivalSeconds: number;
  members: number;
  devices: number;
  runSeconds: number;
  limitSeconds: number;
}

export interface HistoryOptions {
  seed: number;
  jobs: number;
  users?: number;
  /** Devices asked for in the mean, as a part of the cluster's. */
  load?: number;
  clusterDevices: number;
}

export function generateHistory({
  seed,
  jobs,
  users = 12,
  load = 0.9,
  clusterDevices,
}: HistoryOptions): HistoryJob[] {
  const random = createRandom(seed);
  const kinds = Array.from({ length: users }, (_, user) =>
    Array.from({ length: 1 + random.below(4) }, (_ignored, kind) => ({
      user: `user-${user}`,
      name: `user-${user}-kind-${kind}`,
      typicalSeconds: Math.exp(5 + 4.5 * random.next()),
      spread: 0.1 + 0.5 * random.next(),
      devices: pick(random, [1, 1, 1, 2, 4, 8]),
      members: pick(random, [1, 1, 1, 1, 2]),
      // Careful people ask for twice what they need, others for a day.
      limitOf: pick(random, [2, 3, 10, 50]),
    })),
  );
  const rows = Array.from({ length: jobs }, () => {
    const kind = pick(random, pick(random, kinds));
    const runSeconds = Math.max(10, kind.typicalSeconds * Math.exp(kind.spread * normal(random)));
    return { kind, runSeconds };
  });
  const work = rows.reduce((sum, { kind, runSeconds }) => sum + runSeconds * kind.devices * kind.members, 0);
  const span = work / (clusterDevices * load);
  let arrival = 0;
  return rows.map(({ kind, runSeconds }, index) => {
    arrival += (-Math.log(1 - random.next()) * span) / jobs;
    return {
      id: `job-${String(index).padStart(6, '0')}`,
      user: kind.user,
      name: kind.name,
      arrivalSeconds: arrival,
      members: kind.members,
      devices: kind.devices,
      runSeconds,
      limitSeconds: Math.max(runSeconds, kind.typicalSeconds * kind.limitOf),
    };
  });
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)]!;
}

/** Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}
