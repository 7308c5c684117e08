/** What an operator has set, put before each cycle as the server does: rules, decayed use, peaks to come, moves left. */
import { DemandWatch } from '../../ahead/demand-watch.ts';
import type { Engine } from '../../engine.ts';
import { MoveBudget, movesIn } from '../../move-budget.ts';
import type { Plan } from '../../plan.ts';
import { RecentUse } from '../../recent-use.ts';
import { RuleBook } from '../../rules/rules.ts';
import type { LivePolicy } from './live-world.ts';

export class OperatorSettings {
  readonly #rules: RuleBook;
  readonly #demand: DemandWatch | null;
  readonly #use: RecentUse | null;
  readonly #movesPerHour: number;
  readonly #moves = new MoveBudget();

  /** Throws a RuleError on rules that cannot be followed. */
  constructor({ rules = [], ahead, recentUse, movesPerHour = 0 }: LivePolicy) {
    this.#rules = new RuleBook(rules);
    this.#demand = ahead === undefined ? null : new DemandWatch(ahead, []);
    this.#use = recentUse === undefined ? null : new RecentUse(recentUse, [], 0);
    this.#movesPerHour = movesPerHour;
  }

  /** The plan of this moment, with everything set for it. */
  plan(engine: Engine, nowMs: number): Plan {
    if (!this.#rules.isEmpty) {
      const before = engine.snapshot(nowMs);
      for (const [at, workload] of this.#rules.apply(before).entries())
        if (workload !== before.workloads[at]) engine.upsert(workload);
    }
    if (this.#use !== null) engine.setRecentUse(this.#use.look(engine.snapshot(nowMs)));
    if (this.#demand !== null) engine.setExpected(this.#demand.look(engine.snapshot(nowMs)));
    const plan = engine.plan(nowMs, this.#moves.left(this.#movesPerHour, nowMs));
    this.#moves.spend(movesIn(plan), nowMs);
    return plan;
  }
}
