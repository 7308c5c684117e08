/**
 * A history through the live planner, event by event: what a server would have decided, guessed and
 * told. Runtimes are learned on the way as a server learns them, and every guess is held against the truth.
 */
import { DemandForecast } from '../../ahead/demand-forecast.ts';
import { type AheadOptions, PeakBook } from '../../ahead/peak-book.ts';
import { Engine } from '../../engine.ts';
import { EventQueue } from '../../event-queue.ts';
import { gangAmounts } from '../../gang-amounts.ts';
import { estimateStarts } from '../../runtimes/estimate-starts.ts';
import { type Calibration, RuntimeModel } from '../../runtimes/runtime-model.ts';
import { StartEstimates } from '../../runtimes/start-estimates.ts';
import { node, queue } from '../../scenario.ts';
import { type Rule, RuleBook } from '../../rules/rules.ts';
import type { Workload } from '../../snapshot.ts';
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

type Happening = { kind: 'arrives' | 'ends'; job: HistoryJob };

export function replayHistory(
  jobs: readonly HistoryJob[],
  { nodes, devicesPerNode, order = 'default', queues = [ONE_QUEUE], ahead, rules = [] }: HistoryCluster,
): HistoryReplay {
  const engine = new Engine({
    nowMs: 0,
    nodes: Array.from({ length: nodes }, (_, index) =>
      node(`n${String(index).padStart(4, '0')}`, devicesPerNode),
    ),
    queues: queues.map((name) => queue(name, { policy: order })),
    workloads: [],
  });
  const book = new RuleBook(rules);
  const peaks = ahead === undefined ? null : new PeakBook(new DemandForecast(), ahead);
  const runtimes = new RuntimeModel();
  const starts = new StartEstimates();
  const events = new EventQueue<Happening>();
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const waitOf = new Map<string, number>();
  const jct: number[] = [];
  for (const job of jobs) events.push(job.arrivalSeconds * 1000, { kind: 'arrives', job });
  while (events.size > 0) {
    const nowMs = events.nextTime();
    while (events.nextTime() <= nowMs) {
      const { kind, job } = events.pop();
      if (kind === 'arrives') engine.upsert(toWorkload(job, runtimes));
      else {
        engine.remove(job.id);
        runtimes.observe(askOf(job), job.runSeconds);
        jct.push(nowMs / 1000 - job.arrivalSeconds);
      }
    }
    if (!book.isEmpty) {
      const before = engine.snapshot(nowMs);
      for (const [at, workload] of book.apply(before).entries())
        if (workload !== before.workloads[at]) engine.upsert(workload);
    }
    if (peaks !== null) {
      const { workloads } = engine.snapshot(nowMs);
      for (const name of queues) peaks.observe(name, nowMs, demandOf(workloads, name));
      engine.setExpected(peaks.expected(nowMs, nodes * devicesPerNode));
    }
    const plan = engine.plan(nowMs);
    for (const { workloadId, members } of plan.placements) {
      const job = byId.get(workloadId)!;
      starts.started(workloadId, nowMs);
      waitOf.set(workloadId, nowMs / 1000 - job.arrivalSeconds);
      engine.upsert({
        ...toWorkload(job, runtimes),
        state: 'running',
        startedAtMs: nowMs,
        allocation: members,
      });
      events.push(nowMs + job.runSeconds * 1000, { kind: 'ends', job });
    }
    const waiting = plan.waiting.map(({ workloadId }) => workloadId);
    if (waiting.every((id) => starts.hasTold(id))) continue;
    const expected = estimateStarts(engine.snapshot(nowMs), waiting);
    for (const id of waiting) {
      const startMs = expected.get(id);
      if (startMs !== undefined) starts.tell(id, nowMs, startMs);
    }
  }
  const users = [...new Set(jobs.map(({ user }) => user))].sort();
  const waitsOf = (user: string): number[] =>
    jobs.flatMap((job) => (job.user === user && waitOf.has(job.id) ? [waitOf.get(job.id)!] : []));
  return {
    averageWaitSeconds: mean([...waitOf.values()]),
    averageJctSeconds: mean(jct),
    waitSecondsOf: Object.fromEntries(users.map((user) => [user, mean(waitsOf(user))])),
    runtimes: runtimes.calibration,
    starts: starts.calibration,
    unfinished: jobs.length - jct.length,
  };
}

/** Devices it uses or waits for. */
function demandOf(workloads: readonly Workload[], queueId: string): number {
  return workloads.reduce(
    (sum, workload) => sum + (workload.queueId === queueId ? gangAmounts(workload)[0]! : 0),
    0,
  );
}

function askOf(job: HistoryJob): { keys: string[]; limitSeconds: number } {
  return {
    keys: [`${job.user} ${job.name} ${job.devices}x${job.members}`, `${job.user} ${job.name}`, job.user],
    limitSeconds: job.limitSeconds,
  };
}

function toWorkload(job: HistoryJob, runtimes: RuntimeModel): Workload {
  const guess = runtimes.guess(askOf(job));
  return {
    id: job.id,
    queueId: job.queue ?? ONE_QUEUE,
    tenantId: job.user,
    priority: 0,
    createdAtMs: job.arrivalSeconds * 1000,
    preemptible: false,
    state: 'pending',
    timeLimitMs: job.limitSeconds * 1000,
    labels: { user: job.user, name: job.name },
    ...(guess === null
      ? {}
      : { runtimeEstimateMs: guess.p50Seconds * 1000, runtimeMostMs: guess.p90Seconds * 1000 }),
    taskGroups: [
      {
        name: 'worker',
        count: job.members,
        minCount: job.members,
        request: { cpuMilli: 100, memoryBytes: 1, storageBytes: 0, devices: job.devices, deviceMilli: 0 },
      },
    ],
  };
}
