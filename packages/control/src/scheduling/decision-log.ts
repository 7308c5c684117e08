/**
 * What the last cycles decided and from what. The snapshot is kept as the planner saw it, so that a
 * decision can be planned again: the same snapshot gives the same plan.
 */
import type { Plan, PlanSettings, Snapshot } from '@gantry/scheduling';

export interface Decision {
  /** Counts what this server decided, and what it could not. */
  readonly number: number;
  readonly atMs: number;
  readonly tookMs: number;
  readonly settings: PlanSettings;
  readonly snapshot: Snapshot;
  /** null when the cycle failed. */
  readonly plan: Plan | null;
  readonly error?: string;
}

/** Cycles that decided nothing new push out the others otherwise. */
const KEPT = 200;
/** Snapshots share their workloads; still, those of large clusters are kept for fewer cycles. */
const KEPT_WORKLOADS = 500_000;

export class DecisionLog {
  readonly #kept: Decision[] = [];
  #workloads = 0;
  #count = 0;

  /** Answers its number. */
  add(decision: Omit<Decision, 'number'>): number {
    this.#count += 1;
    this.#kept.push({ ...decision, number: this.#count });
    this.#workloads += decision.snapshot.workloads.length;
    while (this.#kept.length > 1 && (this.#kept.length > KEPT || this.#workloads > KEPT_WORKLOADS))
      this.#workloads -= this.#kept.shift()!.snapshot.workloads.length;
    return this.#count;
  }

  /** Newest first. */
  list(): readonly Decision[] {
    return [...this.#kept].reverse();
  }

  get(number: number): Decision | undefined {
    return this.#kept.find((decision) => decision.number === number);
  }
}
