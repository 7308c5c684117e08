/**
 * Replays a list of jobs (arrival, duration, devices) on a cluster of equal nodes, event by event,
 * with the planner's own placement. A policy sees arrivals and attained service; only `*-oracle`
 * policies see durations. A preemption costs `RESTART_SECONDS` of the devices when the job resumes.
 */
import { Planning } from '../planning.ts';
import { bestFit } from '../scorers.ts';
import { cheapestRoom } from './cheapest-room.ts';
import { easyShadow, type Shadow } from './easy-shadow.ts';
import { EventQueue } from '../event-queue.ts';
import type { LiveJob, ReplayJob } from './live-job.ts';
import { toNode, toWorkload } from './replay-cluster.ts';
import { type ReplayPolicy, REPLAY_POLICIES } from './replay-policies.ts';
import { summarise, type ReplayResult } from './replay-result.ts';

export const RESTART_SECONDS = 30;
/** What a job is taken to run where its duration is hidden. */
const HIDDEN_SECONDS = 24 * 3600;

export interface ReplayCluster {
  devices: number;
  devicesPerNode: number;
}

/** Looks on while a replay runs; for charts. */
export interface ReplayObserver {
  /** After every decision: what is true from now on, until the next call. */
  decided: (state: {
    nowSeconds: number;
    waitingJobs: number;
    /** By node, in the order of the cluster. */
    freeDevices: ArrayLike<number>;
  }) => void;
  finished: (live: LiveJob) => void;
}

export function replay(
  jobs: readonly ReplayJob[],
  cluster: ReplayCluster,
  policyName: string,
  observer?: ReplayObserver,
): ReplayResult {
  const policy = REPLAY_POLICIES[policyName];
  if (policy === undefined)
    throw new RangeError(
      `There is no policy "${policyName}"; use one of ${Object.keys(REPLAY_POLICIES).join(', ')}.`,
    );
  return new Replay(jobs, cluster, policyName, policy, observer).run();
}

class Replay {
  readonly #jobs: LiveJob[];
  readonly #cluster: ReplayCluster;
  readonly #policyName: string;
  readonly #policy: ReplayPolicy;
  readonly #planning: Planning;
  readonly #observer: ReplayObserver | undefined;
  readonly #residents: Set<LiveJob>[];
  readonly #events = new EventQueue<{ live: LiveJob; epoch: number; kind: 'end' | 'look' }>();
  #active: LiveJob[] = [];
  #freeDevices: number;
  #now = 0;

  constructor(
    jobs: readonly ReplayJob[],
    cluster: ReplayCluster,
    policyName: string,
    policy: ReplayPolicy,
    observer: ReplayObserver | undefined,
  ) {
    this.#cluster = cluster;
    this.#observer = observer;
    this.#policyName = policyName;
    this.#policy = policy;
    this.#jobs = [...jobs]
      .sort((a, b) => a.arrivalSeconds - b.arrivalSeconds || (a.id < b.id ? -1 : 1))
      .filter((job) => job.devices <= cluster.devices && job.devices > 0)
      .map((job, index) => ({
        index,
        job,
        remainingSeconds: job.durationSeconds,
        attained: 0,
        overheadSeconds: 0,
        waitedSeconds: 0,
        syncedAt: job.arrivalSeconds,
        startedAt: null,
        preemptions: 0,
        epoch: 0,
        members: null,
        finishedAt: null,
      }));
    const nodes = Array.from({ length: Math.floor(cluster.devices / cluster.devicesPerNode) }, (_, index) =>
      toNode(index, cluster.devicesPerNode),
    );
    this.#planning = new Planning(
      { nowMs: 0, nodes, queues: [{ id: 'replay', parentId: null, name: 'replay' }], workloads: [] },
      bestFit,
    );
    this.#residents = nodes.map(() => new Set());
    this.#freeDevices = nodes.length * cluster.devicesPerNode;
  }

  run(): ReplayResult {
    let next = 0;
    while (next < this.#jobs.length || this.#events.size > 0) {
      this.#now = Math.min(this.#jobs[next]?.job.arrivalSeconds ?? Infinity, this.#events.nextTime());
      for (; next < this.#jobs.length && this.#jobs[next]!.job.arrivalSeconds <= this.#now; next++) {
        const live = this.#jobs[next]!;
        this.#active.push(live);
        if (this.#policy.waitBoundSeconds !== undefined)
          this.#events.push(this.#now + this.#policy.waitBoundSeconds, {
            live,
            epoch: live.epoch,
            kind: 'look',
          });
      }
      while (this.#events.nextTime() <= this.#now) this.#handle(this.#events.pop());
      this.#schedule();
      this.#observer?.decided({
        nowSeconds: this.#now,
        waitingJobs: this.#active.reduce((sum, live) => sum + (live.members === null ? 1 : 0), 0),
        freeDevices: this.#planning.state.wholeFree,
      });
    }
    return summarise(this.#policyName, this.#jobs);
  }

  #handle({ live, epoch, kind }: { live: LiveJob; epoch: number; kind: 'end' | 'look' }): void {
    if (kind === 'look' || live.epoch !== epoch) return;
    this.#sync(live);
    this.#release(live);
    live.finishedAt = this.#now;
    this.#observer?.finished(live);
    this.#active = this.#active.filter((other) => other !== live);
  }

  /** Brings a job's numbers up to now. */
  #sync(live: LiveJob): void {
    const elapsed = this.#now - live.syncedAt;
    live.syncedAt = this.#now;
    if (live.members === null) {
      live.waitedSeconds += elapsed;
      return;
    }
    const overhead = Math.min(live.overheadSeconds, elapsed);
    live.overheadSeconds -= overhead;
    live.remainingSeconds = Math.max(0, live.remainingSeconds - (elapsed - overhead));
    live.attained += elapsed * live.job.devices;
  }

  #schedule(): void {
    for (const live of this.#active) this.#sync(live);
    this.#active.sort(this.#policy.compare);
    if (this.#policy.preemptive) this.#preemptive();
    else this.#nonPreemptive();
    this.#planning.statement.commit();
  }

  #nonPreemptive(): void {
    const { backfill } = this.#policy;
    let shadow: Shadow | null = null;
    for (const live of this.#active) {
      if (live.members !== null) continue;
      if (this.#freeDevices === 0) return;
      if (shadow !== null) {
        const estimate = backfill === 'oracle' ? live.remainingSeconds : HIDDEN_SECONDS;
        const inTime = this.#now + estimate <= shadow.at;
        if (!inTime && live.job.devices > shadow.extra) continue;
        if (this.#start(live) && !inTime) shadow.extra -= live.job.devices;
      } else if (!this.#start(live)) {
        if (backfill === 'none') return;
        if (backfill !== 'skip') shadow = this.#shadow(live);
      }
    }
  }

  #shadow(head: LiveJob): Shadow {
    const oracle = this.#policy.backfill === 'oracle';
    const ends = this.#active
      .filter((live) => live.members !== null)
      .map((live) => ({
        devices: live.job.devices,
        at: oracle
          ? this.#now + live.overheadSeconds + live.remainingSeconds
          : Math.max(this.#now + 60, live.startedAt! + HIDDEN_SECONDS),
      }));
    return easyShadow(head.job.devices, this.#freeDevices, ends);
  }

  /** In order: whoever fits in the devices of the cluster should run; others make room. */
  #preemptive(): void {
    let budget = this.#cluster.devices;
    const wanted: LiveJob[] = [];
    const rank = new Map<LiveJob, number>();
    for (const [index, live] of this.#active.entries()) {
      if (budget === 0) break;
      if (live.job.devices > budget) continue;
      budget -= live.job.devices;
      if (live.members === null) wanted.push(live);
      rank.set(live, index);
    }
    // Who was moved may only displace those whose turn it is not: so every pass ends.
    const moved = new Set<LiveJob>();
    for (let at = 0; at < wanted.length; at++) {
      const live = wanted[at]!;
      if (live.members !== null || this.#start(live)) continue;
      for (const evicted of this.#makeRoom(live, rank, moved.has(live))) {
        if (!rank.has(evicted)) continue;
        moved.add(evicted);
        insertByRank(wanted, at + 1, evicted, rank);
      }
      this.#start(live);
    }
    // What fragmentation keeps from those it is meant for is lent to the next who fit.
    for (const live of this.#active) {
      if (this.#freeDevices === 0) break;
      if (live.members === null) this.#start(live);
    }
    for (const live of this.#active) if (live.members !== null) this.#lookWhenLevelChanges(live);
  }

  /** Nobody is evicted if it would not help. */
  #makeRoom(live: LiveJob, rank: ReadonlyMap<LiveJob, number>, outOfTurnOnly: boolean): LiveJob[] {
    const evicted = cheapestRoom(live, {
      rank,
      outOfTurnOnly,
      residents: this.#residents,
      freeDevices: this.#planning.state.wholeFree,
      devicesPerNode: this.#cluster.devicesPerNode,
    });
    for (const victim of evicted) {
      this.#release(victim);
      victim.preemptions++;
      victim.overheadSeconds = RESTART_SECONDS;
    }
    return evicted;
  }

  #start(live: LiveJob): boolean {
    if (live.job.devices > this.#freeDevices) return false;
    const workload = toWorkload(live.job, this.#cluster.devicesPerNode);
    const outcome = this.#planning.placer.place(workload);
    if (!outcome.ok) return false;
    this.#planning.book(workload, outcome.members);
    live.members = outcome.members;
    live.startedAt = this.#now;
    live.epoch++;
    this.#freeDevices -= live.job.devices;
    for (const member of outcome.members) this.#residents[member.node]!.add(live);
    this.#events.push(this.#now + live.overheadSeconds + live.remainingSeconds, {
      live,
      epoch: live.epoch,
      kind: 'end',
    });
    return true;
  }

  #release(live: LiveJob): void {
    this.#planning.statement.evict(live.job.id);
    for (const member of live.members!) this.#residents[member.node]!.delete(live);
    this.#freeDevices += live.job.devices;
    live.members = null;
    live.epoch++;
  }

  readonly #looked = new Map<LiveJob, number>();

  #lookWhenLevelChanges(live: LiveJob): void {
    const threshold = this.#policy.nextThreshold?.(live);
    if (threshold === undefined || this.#looked.get(live) === threshold * 1e6 + live.epoch) return;
    this.#looked.set(live, threshold * 1e6 + live.epoch);
    this.#events.push(this.#now + (threshold - live.attained) / live.job.devices + 1e-3, {
      live,
      epoch: live.epoch,
      kind: 'look',
    });
  }
}

function insertByRank(
  queue: LiveJob[],
  from: number,
  moved: LiveJob,
  rank: ReadonlyMap<LiveJob, number>,
): void {
  let at = from;
  while (at < queue.length && rank.get(queue[at]!)! < rank.get(moved)!) at++;
  queue.splice(at, 0, moved);
}
