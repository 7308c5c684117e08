/**
 * The scheduling cycle: read what changed → plan → commit → start. Event-driven: runs when something that
 * can help has changed, never on a timer. Placements commit under the version of each row, so a conflict drops
 * only that placement and the next round plans it again. Each cycle leaves a decision that can be planned again.
 */
import type { Job } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import { type Calibration, type NodeLive, type Plan, type Snapshot, nextLookMs } from '@gantry/scheduling';
import type { Deps } from '../deps.ts';
import type { Hub } from '../hub.ts';
import type { JobRuntime } from '../jobs/job-runtime.ts';
import { type SerialLoop, createSerialLoop } from '../serial-loop.ts';
import { commitPlacements } from './commit-placement.ts';
import { DecisionLog } from './decision-log.ts';
import { LiveEngine } from './live-engine.ts';
import { requestResize } from './request-resize.ts';
import { requestStop } from './request-stop.ts';
import { RowMirror } from './row-mirror.ts';
import { type SchedulerStats, emptyStats, noteWaitingCounts } from './scheduler-stats.ts';
import { withoutRooms, writeClaims } from './write-claims.ts';
import { createWakeTimer } from '../wake-timer.ts';
import { progressFacts } from './progress-facts.ts';
import { RuntimeHistory } from './runtime-history.ts';
import { SizeBoard } from './size-board.ts';
import { StartBoard } from './start-board.ts';
import { WaitingBoard } from './waiting-board.ts';
import type { WaitingView } from './waiting-view.ts';
import type { WatchedStore } from './watch-writes.ts';

export interface Scheduler extends AsyncDisposable {
  poke(): void;
  idle(): Promise<void>;
  /** A row was changed by somebody else (another server, psql): it is read again. */
  note(kind: string, id: string): void;
  readonly stats: Readonly<SchedulerStats>;
  readonly decisions: DecisionLog;
  /** Why a queued job waits, as of the last cycle. */
  waitingOf(jobId: string): WaitingView | undefined;
  /** Of a job that runs with fewer ranks than it could use, as of the last cycle. */
  sizeOf(jobId: string): Job['size'];
  /** As of the last cycle; undefined of a node that is no more. */
  nodeNameOf(nodeId: string): string | undefined;
  readonly calibration: GuessCalibration;
  /** The queue and the cluster of this moment, as the planner sees them. */
  snapshot(): Snapshot;
}

/** How often guesses held: of runtimes, and of start times as first told. */
export interface GuessCalibration {
  readonly runtime: { readonly p50: Calibration | null; readonly p90: Calibration | null };
  readonly start: { readonly p50: Calibration | null; readonly p90: Calibration | null };
}

/** Jobs that ended, read one by one after a cycle. */
const MOST_LEARNED = 200;

export interface SchedulerOptions {
  /** Tells of every write of this process; without it every cycle reads everything. */
  readonly writes?: Pick<WatchedStore, 'onWrite'>;
  /** What nodes tell of themselves at this moment, by name. */
  readonly live?: () => ReadonlyMap<string, NodeLive>;
  /** Sees every snapshot before it is planned; what it throws counts as thrown by the planner. */
  readonly beforePlan?: (snapshot: Snapshot) => void;
}

const firstRetryMs = 250;
const longestRetryMs = 10_000;

export function createScheduler(
  deps: Deps,
  hub: Hub,
  runtime: { jobs: JobRuntime; ensureReplica(replicaId: string): Promise<void> },
  { writes, live, beforePlan }: SchedulerOptions = {},
): Scheduler {
  const stats = emptyStats();
  const decisions = new DecisionLog();
  const mirror = new RowMirror();
  const history = new RuntimeHistory();
  const engine = new LiveEngine(mirror, history, beforePlan);
  const starts = new StartBoard();
  const board = new WaitingBoard((id) => starts.of(id));
  const sizes = new SizeBoard();
  let isHistoryRead = false;
  const watching = writes?.onWrite((kind, id) => mirror.note(kind, id));

  let retrying: NodeJS.Timeout | undefined;
  let retryMs = firstRetryMs;

  const loop: SerialLoop = createSerialLoop(
    async () => {
      const startedAt = performance.now();
      if (watching === undefined) mirror.noteAll();
      await deps.store.read({ platform: true }, look);
      for (const [id, row] of mirror.rows('job')) {
        const progress = runtime.jobs.progressOf(id);
        const facts = progressFacts(progress);
        if (facts !== null) engine.noteProgress(id, facts);
        engine.noteSpeed(row, progress);
      }
      if (live !== undefined) engine.tell(live());
      const nowMs = deps.clock.nowMs();
      const snapshot = engine.snapshot(nowMs);
      let plan: Plan;
      try {
        plan = engine.plan(nowMs, (found, culprit) => {
          stats.failures += 1;
          const decision = decisions.add({
            atMs: nowMs,
            tookMs: performance.now() - startedAt,
            settings: engine.settings,
            snapshot: culprit,
            plan: null,
            error: `${found.workloadId} was set aside: ${found.message}`,
          });
          deps.log.error({ ...found, decision }, 'a workload made planning fail and was set aside');
        });
      } catch (error) {
        const tookMs = performance.now() - startedAt;
        decisions.add({
          atMs: nowMs,
          tookMs,
          settings: engine.settings,
          snapshot,
          plan: null,
          error: String(error),
        });
        throw error;
      }
      starts.put(plan, snapshot);
      const lookMs = nextLookMs(snapshot, plan, engine.nextMoveInMs(nowMs));
      if (lookMs !== null) timer.wakeIn(lookMs);
      await apply(plan);
      retryMs = firstRetryMs;
      stats.cycles += 1;
      stats.lastMs = performance.now() - startedAt;
      stats.placements += plan.placements.length;
      stats.evictions += plan.evictions.length;
      decisions.add({
        atMs: nowMs,
        tookMs: stats.lastMs,
        settings: engine.settings,
        snapshot,
        plan,
      });
    },
    (error) => {
      stats.failures += 1;
      deps.log.error(
        {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
          decision: decisions.list()[0]?.number,
        },
        'a scheduling cycle failed',
      );
      again();
    },
  );
  const timer = createWakeTimer(deps.clock, () => loop.poke());
  const subscription = hub.on('scheduler', () => loop.poke());
  /** What failed for want of a database is not announced again by anybody. */
  const again = (): void => {
    clearTimeout(retrying);
    retrying = setTimeout(() => loop.poke(), retryMs).unref();
    retryMs = Math.min(longestRetryMs, retryMs * 2);
  };

  /** What changed; jobs that ended since the last look teach how long their like takes. */
  const look = async (tx: Tx): Promise<void> => {
    const past = isHistoryRead ? [] : await history.read(tx);
    isHistoryRead = true;
    const changes = await mirror.refresh(tx);
    engine.learnSpeeds(past);
    // At once: a read that breaks after this line must not leave the two with different rows.
    engine.update(changes);
    for (const { kind, id } of changes.gone.slice(0, MOST_LEARNED)) {
      const ended = kind === 'job' ? await tx.get('job', id) : undefined;
      if (ended !== undefined) history.learn(ended);
    }
  };

  const start = (kind: string, id: string): void =>
    background(deps, kind === 'job' ? runtime.jobs.ensureStarted(id) : runtime.ensureReplica(id));

  const apply = async (planned: Plan): Promise<void> => {
    const replicas = mirror.rows('replica');
    const known = mirror.rows('job');
    const claimed = await writeClaims(deps, planned.claims, (id) => known.get(id) ?? replicas.get(id));
    const plan = withoutRooms(planned, claimed.refused);
    if (claimed.refused.size > 0) again();
    const isClaiming = [...claimed.rows].filter(([id]) => known.has(id));
    const jobs = isClaiming.length === 0 ? known : new Map([...known, ...isClaiming]);
    for (const { workloadId, reason } of plan.evictions) {
      if (jobs.has(workloadId)) {
        await requestStop(deps, workloadId, 'preempted', { reason }, 'scheduler');
        await runtime.jobs.stop(workloadId, 'preempted');
      }
    }
    for (const resize of plan.resizes)
      if (await requestResize(deps, resize)) await runtime.jobs.stop(resize.workloadId, 'resized');
    sizes.put(plan);
    const commits = plan.placements.flatMap(({ workloadId, members }) => {
      const row = jobs.get(workloadId) ?? replicas.get(workloadId);
      return row?.state === 'queued' ? [{ row, members }] : [];
    });
    await commitPlacements(deps, commits, {
      committed: ({ kind, id }) => {
        if (kind === 'job') hub.changed(`job:${id}`);
        start(kind, id);
      },
      failed: ({ kind, id }, error) => {
        // Read again, whoever moved it.
        mirror.note(kind, id);
        deps.log.warn({ id, error: String(error) }, 'a placement was not committed; it is planned again');
        again();
        // A connection that broke at the commit leaves open whether it was one; what was not placed is not started.
        start(kind, id);
      },
    });
    noteWaitingCounts(
      stats,
      plan,
      (id) => queueOf(jobs.get(id)),
      (id) => engine.orderOf(id),
    );
    for (const id of board.put(plan, engine.setAside(), (other) => jobs.get(other)?.name ?? other))
      hub.changed(`job:${id}`);
    await board.write(deps, jobs, {
      written: (id) => hub.changed(`job:${id}`),
      failed: (id) => mirror.note('job', id),
    });
  };

  return {
    poke: () => loop.poke(),
    idle: () => loop.idle(),
    note: (kind, id) => mirror.note(kind, id),
    stats,
    decisions,
    waitingOf: (jobId) => board.of(jobId),
    sizeOf: (jobId) => sizes.of(jobId),
    nodeNameOf: (nodeId) => mirror.rows('node').get(nodeId)?.name,
    get calibration() {
      return { runtime: history.calibration, start: starts.calibration };
    },
    snapshot: () => engine.snapshot(deps.clock.nowMs()),
    [Symbol.asyncDispose]: async () => {
      clearTimeout(retrying);
      subscription[Symbol.dispose]();
      timer[Symbol.dispose]();
      watching?.[Symbol.dispose]();
      await loop[Symbol.asyncDispose]();
    },
  };
}

function queueOf(job: Row | undefined): string {
  return job === undefined ? 'replicas' : ((job.spec as { queue?: string }).queue ?? 'unknown');
}

function background(deps: Deps, work: Promise<unknown>): void {
  work.catch((error: unknown) => deps.log.error({ error: String(error) }, 'work in the background failed'));
}
