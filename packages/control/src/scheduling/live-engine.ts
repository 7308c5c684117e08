/**
 * The planner's engine, kept in step with the rows. A workload that the engine refuses, or that makes
 * a whole cycle throw, is set aside with its reason until its row changes; the others go on.
 */
import type { Row } from '@gantry/ports';
import {
  DemandWatch,
  Engine,
  findOffender,
  MoveBudget,
  movesIn,
  planCycle,
  type NodeLive,
  RecentUse,
  RuleBook,
  type Plan,
  type PlanSettings,
  type Snapshot,
  toPlanOptions,
  typicalTasks,
  type Workload,
} from '@gantry/scheduling';
import {
  buildWorld,
  type QueueSelectors,
  queueSelectors,
  toJobWorkload,
  toReplicaWorkload,
} from './build-snapshot.ts';
import { POLICY_NAME, type PolicySpecRecord, toRules } from './policy-record.ts';
import { type JobStatusRecord, currentAttempt } from '../jobs/job-record.ts';
import type { Progress } from '../jobs/live-progress.ts';
import { deviceModels } from './device-models.ts';
import { LiveBook } from './live-book.ts';
import { planSettings } from './policy-row.ts';
import type { ProgressFacts } from './progress-facts.ts';
import type { MirrorChanges, RowMirror } from './row-mirror.ts';
import type { RuntimeHistory } from './runtime-history.ts';
import { SpeedBook } from './speed-book.ts';

const WORLD_KINDS: ReadonlySet<string> = new Set(['node', 'queue', 'policy']);

/** An expected end or a checkpoint that moved by less is no news. */
const LEAST_NEWS_MS = 30_000;
const NEWS_PART = 0.05;

export interface SetAside {
  readonly workloadId: string;
  readonly message: string;
}

export class LiveEngine {
  readonly #mirror: RowMirror;
  readonly #history: RuntimeHistory;
  readonly #beforePlan: ((snapshot: Snapshot) => void) | undefined;
  #engine: Engine;
  readonly #setAside = new Map<string, string>();
  readonly #moves = new MoveBudget();
  readonly #speeds = new SpeedBook();
  #use: RecentUse | null = null;
  #demand: DemandWatch | null = null;
  #settings: PlanSettings = {};
  readonly #live = new LiveBook();
  #rules = new RuleBook([]);
  /** There are rules, or traces of some that are gone. */
  #hasRules = false;
  #selectors: QueueSelectors = new Map();
  #orders: ReadonlyMap<string, string> = new Map();

  constructor(mirror: RowMirror, history: RuntimeHistory, beforePlan?: (snapshot: Snapshot) => void) {
    this.#mirror = mirror;
    this.#history = history;
    this.#beforePlan = beforePlan;
    this.#engine = new Engine({ nowMs: 0, nodes: [], queues: [], workloads: [] });
  }

  policy(): PolicySpecRecord {
    for (const row of this.#mirror.rows('policy').values())
      if (row.name === POLICY_NAME) return row.spec as PolicySpecRecord;
    return {};
  }

  /** How plans are made now; with a snapshot it gives the same plan again. */
  get settings(): PlanSettings {
    return this.#settings;
  }

  /** Workloads that cannot be planned as they stand. */
  setAside(): readonly SetAside[] {
    return [...this.#setAside].map(([workloadId, message]) => ({ workloadId, message }));
  }

  /** What nodes tell of themselves, by name: it breaks ties. */
  tell(live: ReadonlyMap<string, NodeLive>): void {
    const news = this.#live.news(live, this.#mirror.rows('node'));
    if (news !== null) this.#engine.setLive(news);
  }

  update({ changed, gone }: MirrorChanges): void {
    const isNewWorld =
      changed.some(({ kind }) => WORLD_KINDS.has(kind)) || gone.some(({ kind }) => WORLD_KINDS.has(kind));
    if (isNewWorld) this.#renew();
    for (const { id } of gone) {
      this.#setAside.delete(id);
      this.#speeds.forget(id);
      this.#engine.remove(id);
    }
    for (const row of changed) {
      if (row.kind === 'job') this.#putJob(row);
      if (row.kind === 'replica') this.#putReplica(row);
      if (row.kind === 'endpoint') {
        for (const replica of this.#mirror.rows('replica').values())
          if (replica.parentId === row.id) this.#putReplica(replica);
      }
    }
  }

  /** Nodes, queues or the policy changed: a new engine with the workloads of the old one. */
  #renew(): void {
    const policy = this.policy();
    const rows = {
      nodes: [...this.#mirror.rows('node').values()],
      queues: [...this.#mirror.rows('queue').values()],
    };
    this.#settings = planSettings(policy);
    if (usesFgd(this.#settings))
      this.#settings = { ...this.#settings, typical: typicalTasks(this.#engine.snapshot(0).workloads) };
    const hadRules = !this.#rules.isEmpty;
    this.#rules = new RuleBook(toRules(policy));
    this.#hasRules = hadRules || !this.#rules.isEmpty;
    const world = { ...buildWorld(rows, policy), nowMs: 0 };
    const selectors = queueSelectors(rows.queues, policy);
    this.#orders = new Map(world.queues.map(({ id, policy: order }) => [id, order ?? 'default']));
    const isSame = JSON.stringify([...selectors]) === JSON.stringify([...this.#selectors]);
    this.#selectors = selectors;
    const workloads = isSame ? this.#engine.snapshot(0).workloads : [];
    this.#engine = new Engine({ ...world, workloads }, toPlanOptions(this.#settings));
    this.#live.forget();
    if (isSame) return;
    for (const job of this.#mirror.rows('job').values()) this.#putJob(job);
    for (const replica of this.#mirror.rows('replica').values()) this.#putReplica(replica);
  }

  #putJob(row: Row): void {
    this.#put(row.id, () => ({
      ...toJobWorkload(row, this.#selectors),
      ...this.#history.estimate(row),
      ...deviceModels(row.status as JobStatusRecord, this.#mirror.rows('node')),
      ...this.#speeds.of(row),
    }));
  }

  /** Of jobs that ended before this server started; to be told before the rows that it plans with. */
  learnSpeeds(ended: readonly Row[]): void {
    for (const row of ended) this.#speeds.learn(row, this.#mirror.rows('node'));
  }

  /** A running job says itself how fast it is. */
  noteSpeed(row: Row, progress: Progress | undefined): void {
    const attempt = currentAttempt(row.status as JobStatusRecord);
    const workload = this.#engine.get(row.id);
    if (attempt === undefined || workload === undefined) return;
    const model = workload.runsOn;
    const on = model === undefined ? undefined : { model, members: attempt.placement.length };
    if (this.#speeds.note(row, progress, on)) this.#engine.upsert({ ...workload, ...this.#speeds.of(row) });
  }

  /** A running job says itself when it will be done, and how old its checkpoint is. */
  noteProgress(jobId: string, { endMs, savedAtMs }: ProgressFacts): void {
    const workload = this.#engine.get(jobId);
    if (workload?.state !== 'running' || workload.startedAtMs === undefined) return;
    const runtimeEstimateMs = endMs - workload.startedAtMs;
    const savedMovedMs = (savedAtMs ?? 0) - (workload.lastCheckpointAtMs ?? 0);
    const endMovedMs = runtimeEstimateMs - (workload.runtimeEstimateMs ?? Infinity);
    const newsMs = Math.max(LEAST_NEWS_MS, NEWS_PART * runtimeEstimateMs);
    if (Math.abs(endMovedMs) <= newsMs && Math.abs(savedMovedMs) <= LEAST_NEWS_MS) return;
    this.#engine.upsert({
      ...workload,
      runtimeEstimateMs,
      runtimeMostMs: runtimeEstimateMs,
      ...(savedAtMs === undefined ? {} : { lastCheckpointAtMs: savedAtMs }),
    });
  }

  #putReplica(row: Row): void {
    const endpoint = this.#mirror.rows('endpoint').get(row.parentId ?? '');
    if (endpoint === undefined) this.#engine.remove(row.id);
    else this.#put(row.id, () => toReplicaWorkload(row, endpoint, this.#selectors));
  }

  #put(id: string, make: () => Workload): void {
    this.#setAside.delete(id);
    try {
      this.#engine.upsert(make());
    } catch (error) {
      this.#engine.remove(id);
      this.#setAside.set(id, messageOf(error));
    }
  }

  /**
   * The plan of this moment. When planning throws, the waiting workload at fault is looked for and set
   * aside, and the others are planned; what is no single workload's fault is thrown on.
   */
  plan(nowMs: number, onSetAside: (found: SetAside, snapshot: Snapshot) => void): Plan {
    this.#applyRules(nowMs);
    this.#noteUse(nowMs);
    this.#lookAhead(nowMs);
    for (;;) {
      try {
        const moves = this.#moves.left(this.policy().defragmentation?.movesPerHour ?? 0, nowMs);
        this.#settings = { ...this.#settings, moves };
        this.#beforePlan?.(this.#engine.snapshot(nowMs));
        const plan = this.#engine.plan(nowMs, moves);
        this.#moves.spend(movesIn(plan), nowMs);
        return plan;
      } catch (error) {
        const snapshot = this.#engine.snapshot(nowMs);
        const offender = findOffender(snapshot, (part) => {
          this.#beforePlan?.(part);
          return planCycle(part);
        });
        if (offender === null) throw error;
        const found = { workloadId: offender, message: messageOf(error) };
        this.#engine.remove(offender);
        this.#setAside.set(offender, found.message);
        onSetAside(found, snapshot);
      }
    }
  }

  nextMoveInMs(nowMs: number): number | null {
    return this.#moves.nextInMs(nowMs);
  }

  #noteUse(nowMs: number): void {
    const { fairShare } = this.policy();
    if (fairShare === undefined) {
      if (this.#use !== null) this.#engine.setRecentUse(new Map());
      this.#use = null;
      return;
    }
    const { options } = this.#use ?? {};
    const isSame =
      options?.halfLifeMs === fairShare.halfLifeMs && options.entryPenaltyMs === fairShare.entryPenaltyMs;
    if (this.#use === null || !isSame) this.#use = new RecentUse(fairShare, this.#history.past, nowMs);
    this.#engine.setRecentUse(this.#use.look(this.#engine.snapshot(nowMs)));
  }

  #lookAhead(nowMs: number): void {
    const { ahead } = this.policy();
    if (ahead === undefined) {
      if (this.#demand !== null) this.#engine.setExpected(new Map());
      this.#demand = null;
      return;
    }
    const { horizonMs, most: mostPart } = ahead;
    const { options } = this.#demand ?? {};
    if (this.#demand === null || options?.horizonMs !== horizonMs || options.mostPart !== mostPart)
      this.#demand = new DemandWatch({ horizonMs, mostPart }, this.#history.past);
    this.#engine.setExpected(this.#demand.look(this.#engine.snapshot(nowMs)));
  }

  /** Time and load may have changed what a rule says. */
  #applyRules(nowMs: number): void {
    if (!this.#hasRules) return;
    const before = this.#engine.snapshot(nowMs);
    for (const [at, workload] of this.#rules.apply(before).entries())
      if (workload !== before.workloads[at]) this.#engine.upsert(workload);
    this.#hasRules = !this.#rules.isEmpty;
  }

  /** The order of the queue that a workload waits in. */
  orderOf(workloadId: string): string {
    const queueId = this.#engine.get(workloadId)?.queueId;
    return this.#orders.get(queueId ?? '') ?? 'default';
  }

  snapshot(nowMs: number): Snapshot {
    return this.#engine.snapshot(nowMs);
  }
}

function usesFgd({ placement, pools = [] }: PlanSettings): boolean {
  return placement === 'fgd' || pools.some((pool) => pool.placement === 'fgd');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
