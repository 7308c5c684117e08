/**
 * One made-up life of a cluster: work comes and ends, nodes are lost and come back, plans are carried
 * out as a server would. Every promise that breaks is named; with the seed it can be lived again.
 */
import { createRandom, type Random } from '@gantry/kit';
import { Engine } from '../engine.ts';
import { planCycle } from '../plan-cycle.ts';
import type { Plan } from '../plan.ts';
import type { AllocationMember, Snapshot, Workload } from '../snapshot.ts';
import { brokenAfter, brokenChanges } from './promises.ts';
import { randomWorld, randomWorkload } from './random-world.ts';

const MINUTE_MS = 60_000;
const KEPT_MS = 10 * MINUTE_MS;
/** Cycles until everything that can run has run, for each workload that is left. */
const CYCLES_EACH = 40;

/** Operators' wishes: who waits for these may wait for ever. */
const KEPT_FOR_OTHERS: ReadonlySet<string> = new Set(['queue_keeps', 'promised_whole']);

interface Running {
  /** Work still to be done when it (last) started. */
  leftMs: number;
}

export class ClusterLife {
  readonly #random: Random;
  readonly #wrong: string[] = [];
  readonly #work = new Map<string, Running>();
  readonly #seed: number;
  #engine: Engine;
  #state: Snapshot;
  #arrived = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = createRandom(seed);
    this.#state = { ...randomWorld(this.#random), nowMs: 0, workloads: [] };
    this.#engine = new Engine(this.#state);
  }

  /** What broke; empty when all promises held. */
  live(): readonly string[] {
    const steps = 10 + this.#random.below(30);
    for (let step = 0; step < steps && this.#wrong.length === 0; step++) {
      this.#pass(MINUTE_MS * (1 + this.#random.below(30)));
      this.#happen();
      this.#cycle();
    }
    if (this.#wrong.length === 0) this.#finish();
    return this.#wrong;
  }

  #happen(): void {
    const what = this.#random.below(10);
    if (what < 6) {
      for (let count = 1 + this.#random.below(4); count > 0; count--) {
        const made = randomWorkload(this.#random, `w${this.#arrived++}`, this.#state.nowMs);
        this.#work.set(made.id, { leftMs: Math.ceil(made.timeLimitMs! * (0.1 + 0.9 * this.#random.next())) });
        this.#put(made);
      }
    } else if (what < 8) this.#breakOrMend();
    else if (this.#state.workloads.length > 0) {
      const chosen = this.#random.pick(this.#state.workloads);
      this.#drop(chosen.id);
    }
  }

  /** A node is lost with everything on it, or comes back. */
  #breakOrMend(): void {
    const chosen = this.#random.pick(this.#state.nodes);
    this.#state = {
      ...this.#state,
      nodes: this.#state.nodes.map((node) => (node === chosen ? { ...node, healthy: !node.healthy } : node)),
    };
    this.#engine.setWorld(this.#state);
    if (!chosen.healthy) return;
    for (const workload of this.#state.workloads)
      if (
        [...(workload.allocation ?? []), ...(workload.resizingTo ?? [])].some(
          ({ nodeId }) => nodeId === chosen.id,
        )
      )
        this.#requeue(workload, {
          kept: {
            why: 'wounded',
            nodeIds: [...new Set(workload.allocation!.map(({ nodeId }) => nodeId))],
            untilMs: this.#state.nowMs + KEPT_MS,
          },
        });
  }

  /** Time goes by; who is done ends, who was told to leave leaves. */
  #pass(elapsedMs: number): void {
    const nowMs = this.#state.nowMs + elapsedMs;
    for (const workload of this.#state.workloads) {
      if (workload.state !== 'running') continue;
      if (nowMs - workload.startedAtMs! >= this.#work.get(workload.id)!.leftMs) this.#drop(workload.id);
      else if (workload.leaving === true)
        this.#requeue(workload, { preemptions: (workload.preemptions ?? 0) + 1 }, nowMs);
      else if (workload.resizingTo !== undefined) this.#resize(workload, nowMs);
    }
    this.#state = { ...this.#state, nowMs };
  }

  /** Restarted from where it was, with other members. */
  #resize({ resizingTo, ...workload }: Workload, nowMs: number): void {
    this.#work.get(workload.id)!.leftMs -= nowMs - workload.startedAtMs!;
    const { runsOn: _runsOn, ...rest } = workload;
    this.#put({ ...rest, allocation: resizingTo!, startedAtMs: nowMs, ...this.#modelOf(resizingTo!) });
  }

  /** Where all members have devices of one model. */
  #modelOf(members: readonly AllocationMember[]): Pick<Workload, 'runsOn'> {
    const models = new Set(
      members.map(({ nodeId }) => this.#state.nodes.find(({ id }) => id === nodeId)?.devices[0]?.model),
    );
    const [model] = models;
    return models.size === 1 && model !== undefined ? { runsOn: model } : {};
  }

  #requeue(workload: Workload, more: Partial<Workload>, nowMs = this.#state.nowMs): void {
    const {
      allocation: _allocation,
      startedAtMs,
      leaving: _leaving,
      kept: _kept,
      resizingTo: _resizingTo,
      runsOn: _runsOn,
      ...rest
    } = workload;
    const ranMs = nowMs - startedAtMs!;
    this.#work.get(workload.id)!.leftMs -= ranMs;
    const devices = workload.taskGroups[0]!.count * Math.max(1, workload.taskGroups[0]!.request.devices);
    this.#put({
      ...rest,
      ...more,
      state: 'pending',
      ranForMs: (workload.ranForMs ?? 0) + ranMs,
      attainedDeviceSeconds: (workload.attainedDeviceSeconds ?? 0) + (devices * ranMs) / 1000,
    });
  }

  #cycle(): Plan {
    const { nowMs } = this.#state;
    const moves = this.#random.below(3);
    const plan = this.#engine.plan(nowMs, moves);
    const naive = planCycle(this.#state, { moves });
    if (JSON.stringify(naive) !== JSON.stringify(plan))
      this.#report('the engine plans otherwise than from nothing');
    for (const broken of brokenChanges(this.#state, plan)) this.#report(broken);
    for (const { workloadId } of plan.evictions) this.#put({ ...this.#of(workloadId), leaving: true });
    for (const { workloadId, members } of plan.resizes)
      this.#put({ ...this.#of(workloadId), resizingTo: members });
    for (const { workloadId, nodeIds } of plan.claims)
      this.#put({
        ...this.#of(workloadId),
        kept: { why: 'claimed', nodeIds, untilMs: nowMs + KEPT_MS },
      });
    for (const { workloadId, members } of plan.placements)
      this.#put({
        ...this.#of(workloadId),
        state: 'running',
        startedAtMs: nowMs,
        allocation: members,
        ...this.#modelOf(members),
      });
    for (const broken of brokenAfter(this.#state, plan)) this.#report(broken);
    return plan;
  }

  /** Nobody comes any more and all nodes are well: everything that can run must run to its end. */
  #finish(): void {
    this.#state = { ...this.#state, nodes: this.#state.nodes.map((node) => ({ ...node, healthy: true })) };
    this.#engine.setWorld(this.#state);
    let cycles = CYCLES_EACH * (1 + this.#state.workloads.length);
    for (; cycles > 0 && this.#wrong.length === 0; cycles--) {
      const plan = this.#cycle();
      const never = plan.waiting.filter(({ reasons }) =>
        reasons.some(({ tier, code }) => tier === 'misconfigured' || KEPT_FOR_OTHERS.has(code)),
      );
      if (this.#state.workloads.length === never.length) break;
      this.#pass(this.#untilNextEnd());
    }
    if (cycles === 0) this.#report(`starved: ${this.#state.workloads.map(({ id }) => id).join(', ')}`);
  }

  #untilNextEnd(): number {
    const { nowMs, workloads } = this.#state;
    let least = 20 * MINUTE_MS;
    for (const { id, state, startedAtMs, leaving, resizingTo } of workloads) {
      if (state !== 'running') continue;
      const leftMs =
        leaving === true || resizingTo !== undefined ? 0 : startedAtMs! + this.#work.get(id)!.leftMs - nowMs;
      least = Math.min(least, Math.max(1000, leftMs));
    }
    return least;
  }

  #of(id: string): Workload {
    return this.#state.workloads.find((workload) => workload.id === id)!;
  }

  #put(changed: Workload): void {
    this.#engine.upsert(changed);
    const others = this.#state.workloads.filter(({ id }) => id !== changed.id);
    this.#state = { ...this.#state, workloads: [...others, changed] };
  }

  #drop(id: string): void {
    this.#engine.remove(id);
    this.#state = {
      ...this.#state,
      workloads: this.#state.workloads.filter((workload) => workload.id !== id),
    };
  }

  #report(what: string): void {
    this.#wrong.push(`seed ${this.#seed}, at ${this.#state.nowMs / MINUTE_MS} min: ${what}`);
  }
}

/** `count` lives from `seed` on; for `npm run soak` (10,000) and, shorter, for the tests. */
export function runClusterLives({ seed, count }: { seed: number; count: number }): readonly string[] {
  const wrong: string[] = [];
  for (let life = 0; life < count; life++) wrong.push(...new ClusterLife(seed + life).live());
  return wrong;
}
