/**
 * The planner kept between cycles: told of changes one by one, asked for a plan whenever something
 * may have helped. `plan` leaves it as it was; what is carried out comes back as changes. Its plans
 * are those of `planCycle` over `snapshot` (engine.property.test.ts).
 */
import type { Plan } from './plan.ts';
import { Cycle, type PlanOptions } from './plan-cycle.ts';
import { Planning } from './planning.ts';
import type { ExpectedPeak, NodeLive, Snapshot, Workload } from './snapshot.ts';

export class Engine {
  readonly #options: PlanOptions;
  #planning: Planning;

  constructor(world: Snapshot, options: PlanOptions = {}) {
    this.#options = options;
    this.#planning = new Planning(world, options.scorer);
  }

  /** Nodes, queues or levels changed: the working form is made anew, the workloads stay. */
  setWorld(world: Pick<Snapshot, 'nodes' | 'queues' | 'topologyLevels'>): void {
    const workloads = [...this.#planning.workloads.values()];
    this.#planning = new Planning({ ...world, nowMs: this.#planning.nowMs, workloads }, this.#options.scorer);
  }

  /** Throws a SnapshotError, and changes nothing, when the workload contradicts itself. */
  upsert(workload: Workload): void {
    this.#planning.upsert(workload);
  }

  remove(workloadId: string): void {
    this.#planning.remove(workloadId);
  }

  get(workloadId: string): Workload | undefined {
    return this.#planning.workloads.get(workloadId);
  }

  /** `moves`: how many running workloads may be moved to join scattered room. */
  plan(nowMs: number, moves = this.#options.moves ?? 0): Plan {
    const { statement } = this.#planning;
    const mark = statement.checkpoint();
    this.#planning.begin(nowMs);
    try {
      return new Cycle(this.#planning, { ...this.#options, moves }, 'undo').run();
    } finally {
      statement.rollback(mark);
      statement.commit();
    }
  }

  /** What each queue used lately (`QueueNode.recentUse`); those not named used nothing. */
  setRecentUse(parts: ReadonlyMap<string, number>): void {
    this.#planning.setRecentUse(parts);
  }

  /** Peaks to keep capacity for, by queue; those not named expect none. */
  setExpected(peaks: ReadonlyMap<string, readonly ExpectedPeak[]>): void {
    this.#planning.setExpected(peaks);
  }

  /** What nodes tell of themselves (`NodeState.live`), by node; those not named tell nothing. */
  setLive(live: ReadonlyMap<string, NodeLive>): void {
    this.#planning.setLive(live);
  }

  /** What a plan at this moment is made from, as plain data: to be written down and planned again. */
  snapshot(nowMs: number): Snapshot {
    const { nodes, queues, topologyLevels } = this.#planning.shape;
    return {
      nowMs,
      nodes: [...nodes],
      queues: [...queues],
      workloads: [...this.#planning.workloads.values()],
      ...(topologyLevels === undefined ? {} : { topologyLevels }),
    };
  }
}
