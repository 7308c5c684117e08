/**
 * Work of the past through the live planner, event by event, on a cluster as the server has it: its
 * queue tree, quotas, orders, pools, rules and whatever else an operator sets. Runtimes are learned
 * on the way as a server learns them, and every guess is held against the truth.
 */
import { Engine } from '../../engine.ts';
import { EventQueue } from '../../event-queue.ts';
import { nextLookMs } from '../../next-look.ts';
import type { Plan } from '../../plan.ts';
import { toPlanOptions } from '../../plan-settings.ts';
import { estimateStarts } from '../../runtimes/estimate-starts.ts';
import { type Calibration, RuntimeModel } from '../../runtimes/runtime-model.ts';
import { StartEstimates } from '../../runtimes/start-estimates.ts';
import type { Workload } from '../../snapshot.ts';
import { FreeRoom } from './free-room.ts';
import type { LiveWorld, PastJob } from './live-world.ts';
import { OperatorSettings } from './operator-settings.ts';
import { UnderWay } from './under-way.ts';

export interface LiveReplay {
  /** As the jobs were given. */
  readonly jobs: readonly UnderWay[];
  readonly runtimes: { p50: Calibration | null; p90: Calibration | null };
  readonly starts: { p50: Calibration | null; p90: Calibration | null };
}

/** Looks on while a replay runs; for charts. */
export interface LiveObserver {
  /** What a node has: whole devices, or cores where the cluster has none. */
  readonly begins: (capacity: ArrayLike<number>) => void;
  /** After every decision: what is true from now on, until the next call. */
  readonly decided: (state: {
    nowMs: number;
    waiting: number;
    /** By node. */
    free: ArrayLike<number>;
  }) => void;
  readonly finished: (job: UnderWay, size: number) => void;
}

type Happening =
  | { readonly kind: 'arrives' | 'ends'; readonly job: UnderWay; readonly epoch: number }
  | { readonly kind: 'look' };

/** Rooms made by eviction are kept so long (the server's own time). */
const CLAIM_MS = 15 * 60_000;
/** Cycles at one moment: each carries out evictions or resizes of the one before. */
const MOST_ROUNDS = 100;
/** Looks in a row at which nothing happens, when nothing is to come either. */
const MOST_IDLE_LOOKS = 200;

export function replayLive(
  jobs: readonly PastJob[],
  world: LiveWorld,
  { observer, tellsStarts = false }: { observer?: LiveObserver; tellsStarts?: boolean } = {},
): LiveReplay {
  return new Replay(jobs, world, tellsStarts, observer).run();
}

class Replay {
  readonly #engine: Engine;
  readonly #settings: OperatorSettings;
  readonly #observer: LiveObserver | undefined;
  readonly #tellsStarts: boolean;
  readonly #runtimes = new RuntimeModel();
  readonly #starts = new StartEstimates();
  readonly #events = new EventQueue<Happening>();
  readonly #jobs: readonly UnderWay[];
  readonly #byId: ReadonlyMap<string, UnderWay>;
  readonly #room: FreeRoom;
  /** Arrivals and ends still to come. */
  #coming = 0;
  #idleLooks = 0;
  #lookAtMs = Infinity;

  constructor(
    jobs: readonly PastJob[],
    { policy, standing = [], ...world }: LiveWorld,
    tellsStarts: boolean,
    observer: LiveObserver | undefined,
  ) {
    this.#engine = new Engine(
      { ...world, nowMs: 0, workloads: [...standing] },
      toPlanOptions(policy.settings ?? {}),
    );
    this.#settings = new OperatorSettings(policy);
    this.#tellsStarts = tellsStarts;
    this.#observer = observer;
    this.#jobs = jobs.map((past) => new UnderWay(past));
    this.#byId = new Map(this.#jobs.map((job) => [job.past.workload.id, job]));
    this.#room = new FreeRoom(world.nodes);
    observer?.begins(this.#room.capacity);
    for (const workload of standing) this.#room.take(workload);
    for (const job of this.#jobs) this.#expect(job.past.workload.createdAtMs, 'arrives', job);
  }

  run(): LiveReplay {
    while (this.#events.size > 0) {
      const nowMs = this.#events.nextTime();
      while (this.#events.nextTime() <= nowMs) this.#happen(this.#events.pop(), nowMs);
      const plan = this.#decide(nowMs);
      this.#observer?.decided({ nowMs, waiting: plan.waiting.length, free: this.#room.free });
      this.#look(plan, nowMs);
      if (this.#tellsStarts) this.#tell(plan, nowMs);
    }
    return { jobs: this.#jobs, runtimes: this.#runtimes.calibration, starts: this.#starts.calibration };
  }

  #happen(event: Happening, nowMs: number): void {
    if (event.kind === 'look') {
      this.#lookAtMs = Infinity;
      return;
    }
    const { job, kind, epoch } = event;
    this.#coming -= 1;
    if (kind === 'arrives') {
      this.#engine.upsert({ ...job.past.workload, ...this.#guess(job) });
    } else if (epoch === job.epoch) {
      const { id } = job.past.workload;
      const running = this.#engine.get(id)!;
      this.#room.give(running);
      this.#engine.remove(id);
      job.finishedAtMs = nowMs;
      if (job.past.ask !== undefined) this.#runtimes.observe(job.past.ask, job.past.workMs / 1000);
      this.#observer?.finished(job, this.#room.sizeOf(running));
    }
  }

  /** Plans until nobody has to leave any more: in a replay who leaves is gone at once. */
  #decide(nowMs: number): Plan {
    for (let round = 0; ; round++) {
      const plan = this.#settings.plan(this.#engine, nowMs);
      this.#carryOut(plan, nowMs);
      const isSettled = plan.evictions.length === 0 && plan.resizes.length === 0;
      if (isSettled && plan.placements.length === 0) this.#idleLooks += 1;
      else this.#idleLooks = 0;
      if (isSettled || round === MOST_ROUNDS) return plan;
    }
  }

  #carryOut({ evictions, resizes, claims, placements }: Plan, nowMs: number): void {
    for (const { workloadId } of evictions) {
      const running = this.#engine.get(workloadId)!;
      this.#room.give(running);
      this.#engine.upsert(this.#byId.get(workloadId)!.evict(running, nowMs));
    }
    for (const { workloadId, members } of resizes) {
      const job = this.#byId.get(workloadId)!;
      const before = this.#engine.get(workloadId)!;
      this.#room.give(before);
      this.#run(job, job.resize(before, members, nowMs));
    }
    for (const { workloadId, nodeIds } of claims)
      this.#engine.upsert({
        ...this.#engine.get(workloadId)!,
        kept: { why: 'claimed', nodeIds, untilMs: nowMs + CLAIM_MS },
      });
    for (const { workloadId, members } of placements) {
      const job = this.#byId.get(workloadId)!;
      this.#starts.started(workloadId, nowMs);
      const waiting = { ...this.#engine.get(workloadId)!, ...this.#guess(job) };
      this.#run(job, job.start(waiting, members, nowMs));
    }
  }

  #run(job: UnderWay, { running, endMs }: { running: Workload; endMs: number }): void {
    this.#engine.upsert(running);
    this.#room.take(running);
    this.#expect(endMs, 'ends', job);
  }

  #expect(atMs: number, kind: 'arrives' | 'ends', job: UnderWay): void {
    this.#coming += 1;
    this.#events.push(atMs, { kind, job, epoch: job.epoch });
  }

  /** Some rules change with time alone. */
  #look(plan: Plan, nowMs: number): void {
    const inMs = nextLookMs(this.#engine.snapshot(nowMs), plan);
    if (inMs === null || nowMs + inMs >= this.#lookAtMs) return;
    if (this.#coming === 0 && this.#idleLooks > MOST_IDLE_LOOKS) return;
    this.#lookAtMs = nowMs + Math.max(1, inMs);
    this.#events.push(this.#lookAtMs, { kind: 'look' });
  }

  #guess({ past: { ask } }: UnderWay): Pick<Workload, 'runtimeEstimateMs' | 'runtimeMostMs'> {
    const guess = ask === undefined ? null : this.#runtimes.guess(ask);
    if (guess === null) return {};
    return { runtimeEstimateMs: guess.p50Seconds * 1000, runtimeMostMs: guess.p90Seconds * 1000 };
  }

  #tell({ waiting }: Plan, nowMs: number): void {
    const ids = waiting.map(({ workloadId }) => workloadId);
    if (ids.every((id) => this.#starts.hasTold(id))) return;
    const expected = estimateStarts(this.#engine.snapshot(nowMs), ids);
    for (const id of ids) {
      const startMs = expected.get(id);
      if (startMs !== undefined) this.#starts.tell(id, nowMs, startMs);
    }
  }
}
