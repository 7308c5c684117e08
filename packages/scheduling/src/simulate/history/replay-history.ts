/** A made-up history through the live planner, on a cluster of equal nodes: what users waited, and how often guesses held. */
import type { AheadOptions } from '../../ahead/peak-book.ts';
import type { Rule } from '../../rules/rules.ts';
import type { Calibration } from '../../runtimes/runtime-model.ts';
import { node, queue } from '../../scenario.ts';
import type { PastJob } from '../live/live-world.ts';
import { replayLive } from '../live/replay-live.ts';
import { mean } from '../statistics.ts';
import type { HistoryJob } from './generated-history.ts';

export interface HistoryReplay {
  averageWaitSeconds: number;
  averageJctSeconds: number;
  /** Mean waiting time by user. */
  waitSecondsOf: Readonly<Record<string, number>>;
  runtimes: { p50: Calibration | null; p90: Calibration | null };
  starts: { p50: Calibration | null; p90: Calibration | null };
  unfinished: number;
}

export interface HistoryCluster {
  nodes: number;
  devicesPerNode: number;
  /** Order of every queue. */
  order?: string;
  /** Names of the queues, where there is more than one. */
  queues?: readonly string[];
  /** Keep capacity ahead of peaks that come with the hour of the day or week. */
  ahead?: AheadOptions;
  /** An operator's rules, to see what they would do. */
  rules?: readonly Rule[];
}

const ONE_QUEUE = 'main';

export function replayHistory(
  jobs: readonly HistoryJob[],
  { nodes, devicesPerNode, order = 'default', queues = [ONE_QUEUE], ahead, rules = [] }: HistoryCluster,
): HistoryReplay {
  const world = {
    nodes: Array.from({ length: nodes }, (_, index) =>
      node(`n${String(index).padStart(4, '0')}`, devicesPerNode),
    ),
    queues: queues.map((name) => queue(name, { policy: order })),
    policy: { rules, ...(ahead === undefined ? {} : { ahead }) },
  };
  const { jobs: lived, runtimes, starts } = replayLive(jobs.map(toPastJob), world, { tellsStarts: true });
  const started = lived.flatMap(({ firstStartMs, past: { workload } }) =>
    firstStartMs === null
      ? []
      : [{ user: workload.tenantId, waitSeconds: (firstStartMs - workload.createdAtMs) / 1000 }],
  );
  const done = lived.flatMap(({ finishedAtMs, past: { workload } }) =>
    finishedAtMs === null ? [] : [(finishedAtMs - workload.createdAtMs) / 1000],
  );
  const users = [...new Set(jobs.map(({ user }) => user))].sort();
  const waitsOf = (user: string): number[] =>
    started.filter((each) => each.user === user).map(({ waitSeconds }) => waitSeconds);
  return {
    averageWaitSeconds: mean(started.map(({ waitSeconds }) => waitSeconds)),
    averageJctSeconds: mean(done),
    waitSecondsOf: Object.fromEntries(users.map((user) => [user, mean(waitsOf(user))])),
    runtimes,
    starts,
    unfinished: jobs.length - done.length,
  };
}

function toPastJob(job: HistoryJob): PastJob {
  return {
    workMs: job.runSeconds * 1000,
    keepsWork: true,
    ask: {
      keys: [`${job.user} ${job.name} ${job.devices}x${job.members}`, `${job.user} ${job.name}`, job.user],
      limitSeconds: job.limitSeconds,
    },
    workload: {
      id: job.id,
      queueId: job.queue ?? ONE_QUEUE,
      tenantId: job.user,
      priority: 0,
      createdAtMs: job.arrivalSeconds * 1000,
      preemptible: false,
      state: 'pending',
      timeLimitMs: job.limitSeconds * 1000,
      labels: { user: job.user, name: job.name },
      taskGroups: [
        {
          name: 'worker',
          count: job.members,
          minCount: job.members,
          request: { cpuMilli: 100, memoryBytes: 1, storageBytes: 0, devices: job.devices, deviceMilli: 0 },
        },
      ],
    },
  };
}
