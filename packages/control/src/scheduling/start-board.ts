/** When each waiting job should start, played forward from the last plan when somebody asks or comes. */
import {
  estimateStarts,
  type Plan,
  type Snapshot,
  type StartEstimate,
  StartEstimates,
} from '@gantry/scheduling';

/** Those who wait for themselves or for a person hold nobody up and start at no time that could be guessed. */
const OUTSIDE: ReadonlySet<string> = new Set(['misconfigured', 'held']);
/** With so many waiting, newcomers are told a time when they ask, not in every cycle. */
const PLAYED_EACH_CYCLE = 200;
/** Nobody is told a time that lies behind so many others: it would cost long and mean little. */
const PLAYED_AT_MOST = 2_000;

export class StartBoard {
  readonly #estimates = new StartEstimates();
  #snapshot: Snapshot | null = null;
  #order: readonly string[] = [];
  #known: Set<string> = new Set();
  #starts: ReadonlyMap<string, number> | null = null;

  put(plan: Plan, snapshot: Snapshot): void {
    const { nowMs } = snapshot;
    const order = plan.waiting
      .filter(({ reasons }) => !reasons.some(({ tier }) => OUTSIDE.has(tier)))
      .map(({ workloadId }) => workloadId);
    const known = new Set(order);
    for (const { workloadId } of plan.placements) this.#estimates.started(workloadId, nowMs);
    for (const id of this.#known) if (!known.has(id)) this.#estimates.forget(id);
    this.#snapshot = snapshot;
    // The snapshot is of before the plan: who is placed by it starts now.
    this.#order = [...plan.placements.map(({ workloadId }) => workloadId), ...order];
    this.#known = known;
    this.#starts = null;
    if (order.length > PLAYED_EACH_CYCLE) return;
    for (const id of order) if (!this.#estimates.hasTold(id)) this.of(id);
  }

  of(workloadId: string): StartEstimate | undefined {
    if (this.#snapshot === null || !this.#known.has(workloadId)) return undefined;
    this.#starts ??= estimateStarts(this.#snapshot, this.#order.slice(0, PLAYED_AT_MOST));
    const startMs = this.#starts.get(workloadId);
    return startMs === undefined
      ? undefined
      : this.#estimates.tell(workloadId, this.#snapshot.nowMs, startMs);
  }

  get calibration(): StartEstimates['calibration'] {
    return this.#estimates.calibration;
  }
}
