/** What an operator has set, put before each cycle as the server does: rules, decayed use, peaks to come, moves left. */
import { DemandWatch } from '../../ahead/demand-watch.ts';
import { DecayedUse } from '../../decayed-use.ts';
import type { Engine } from '../../engine.ts';
import { MoveBudget } from '../../move-budget.ts';
import type { Plan } from '../../plan.ts';
import { RuleBook } from '../../rules/rules.ts';
import type { LivePolicy } from './live-world.ts';

export class OperatorSettings {
  readonly #rules: RuleBook;
  readonly #demand: DemandWatch | null;
  readonly #use: DecayedUse | null;
  readonly #movesPerHour: number;
  readonly #moves = new MoveBudget();

  /** Throws a RuleError on rules that cannot be followed. */
  constructor({ rules = [], ahead, halfLifeMs, movesPerHour = 0 }: LivePolicy) {
    this.#rules = new RuleBook(rules);
    this.#demand = ahead === undefined ? null : new DemandWatch(ahead, []);
    this.#use = halfLifeMs === undefined ? null : new DecayedUse(halfLifeMs);
    this.#movesPerHour = movesPerHour;
  }

  /** The plan of this moment, with everything set for it. */
  plan(engine: Engine, nowMs: number): Plan {
    if (!this.#rules.isEmpty) {
      const before = engine.snapshot(nowMs);
      for (const [at, workload] of this.#rules.apply(before).entries())
        if (workload !== before.workloads[at]) engine.upsert(workload);
    }
    if (this.#use !== null) {
      const { nodes, workloads } = engine.snapshot(nowMs);
      const inUse = new Map<string, number>();
      for (const { queueId, allocation = [] } of workloads) {
        const devices = allocation.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0);
        inUse.set(queueId, (inUse.get(queueId) ?? 0) + devices);
      }
      this.#use.advance(nowMs, inUse);
      engine.setRecentUse(this.#use.parts(nodes.reduce((sum, node) => sum + node.devices.length, 0)));
    }
    if (this.#demand !== null) engine.setExpected(this.#demand.look(engine.snapshot(nowMs)));
    const plan = engine.plan(nowMs, this.#moves.left(this.#movesPerHour, nowMs));
    this.#moves.spend(plan.evictions.filter(({ reason }) => reason.code === 'moved').length, nowMs);
    return plan;
  }
}
