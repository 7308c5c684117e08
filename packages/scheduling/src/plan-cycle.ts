/**
 * One scheduling cycle: takes pending workloads in order, places those that fit, makes room for
 * those entitled to it, reserves for the first that must wait, and says of everyone else why.
 * Pure: the same snapshot and options give the same plan.
 */
import { canEverRun } from './can-ever-run.ts';
import { explainFailure, type Explanation } from './explain.ts';
import { PendingOrder } from './order.ts';
import {
  AHEAD_LIMIT,
  type Eviction,
  type Placement,
  type Plan,
  type UnblockChange,
  type Waiting,
} from './plan.ts';
import { gangAmounts, type PlaceFailure } from './placement.ts';
import { Planning } from './planning.ts';
import type { LimitHit } from './queue-tree.ts';
import type { Reason } from './reason.ts';
import { classKey, toClassRequest } from './request-class.ts';
import { expectedRuntimeMs, reserve } from './reservation.ts';
import type { Scorer } from './scorers.ts';
import type { Snapshot, Workload } from './snapshot.ts';
import { findVictims, type Rescue } from './victims.ts';

export interface PlanOptions {
  scorer?: Scorer;
  /** Evict lower priorities and queues above their share. Default true. */
  preemption?: boolean;
  /** Hold capacity for the first workload that capacity keeps waiting. Default true. */
  reservation?: boolean;
  /** How many kinds of waiting workloads get their unblocking changes tried. Default 20. */
  explainLimit?: number;
}

interface Verdict {
  failure: PlaceFailure;
  explanation: Explanation;
}

export function planCycle(snapshot: Snapshot, options: PlanOptions = {}): Plan {
  return new Cycle(new Planning(snapshot, options.scorer), options).run();
}

class Cycle {
  readonly #planning: Planning;
  readonly #options: PlanOptions;
  readonly #placements: Placement[] = [];
  readonly #evictions: Eviction[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #never = new Map<string, Reason[]>();
  readonly #verdicts = new Map<string, Verdict>();
  /** Nodes kept for workloads ahead, for whom, and until when. */
  #held: { nodes: Uint8Array; workloadId: string; untilMs: number | null } | null = null;
  #heldEpoch = 0;
  /** Of the workload being considered. */
  #signature = '';
  readonly #victimless = new Set<string>();
  readonly #withoutHold = new Map<string, boolean>();
  #explained = 0;
  readonly #leaving: string[];

  constructor(planning: Planning, options: PlanOptions) {
    this.#planning = planning;
    this.#options = options;
    this.#leaving = planning.snapshot.workloads
      .filter((workload) => workload.leaving === true && workload.state === 'running')
      .map(({ id }) => id);
    for (const id of this.#leaving) this.#pledgeLeaving(id);
  }

  #pledgeLeaving(id: string): void {
    const placed = this.#planning.statement.running.get(id);
    if (placed !== undefined) this.#planning.tree.pledge(placed.queue, placed.amounts, -1);
  }

  run(): Plan {
    const pending = this.#planning.snapshot.workloads.filter((workload) => workload.state === 'pending');
    const order = new PendingOrder(this.#planning.tree, pending);
    for (let workload = order.take(); workload !== null; workload = order.take()) this.#consider(workload);
    for (const workload of pending) {
      if (!this.#planning.tree.indexOf.has(workload.queueId))
        this.#wait(workload, [{ code: 'unknown_queue', tier: 'misconfigured', queueId: workload.queueId }]);
    }
    return { placements: this.#placements, evictions: this.#evictions, waiting: this.#waiting };
  }

  #consider(workload: Workload): void {
    if (workload.held !== undefined)
      return this.#wait(workload, [{ code: 'held', tier: 'held', why: workload.held }]);
    const signature = signatureOf(workload);
    this.#signature = signature;
    const never = this.#neverRuns(workload, signature);
    if (never.length > 0) return this.#wait(workload, never);
    const { tree, statement, placer } = this.#planning;
    const queue = tree.indexOf.get(workload.queueId)!;
    const hit = tree.limitHit(queue, gangAmounts(workload));
    if (hit !== null && !this.#mayPreemptWithin(workload))
      return this.#wait(workload, [this.#limitReason(hit)], this.#limitChanges(workload, hit));
    const skip = this.#skipFor(workload);
    const key = skip === null ? signature : `${signature}#${this.#heldEpoch}`;
    const known = this.#verdicts.get(key);
    if (hit === null && known === undefined) {
      const outcome = placer.place(workload, { skip });
      if (outcome.ok) {
        placer.extend(workload, outcome.members, skip, (group) =>
          this.#mayGrow(workload, outcome.members.length, group.request),
        );
        this.#planning.book(workload, outcome.members);
        this.#placements.push({
          workloadId: workload.id,
          members: this.#planning.toAllocation(outcome.members),
        });
        statement.commit();
        return;
      }
      const withChanges = this.#explained++ < (this.#options.explainLimit ?? 20);
      this.#verdicts.set(key, {
        failure: outcome.failure,
        explanation: explainFailure(this.#planning, workload, outcome.failure, skip, withChanges),
      });
    }
    this.#blocked(workload, hit, key, skip);
  }

  #blocked(workload: Workload, hit: LimitHit | null, key: string, skip: Uint8Array | null): void {
    const victims = this.#makeRoom(workload, skip);
    if (victims !== null)
      return this.#wait(
        workload,
        [{ code: 'waiting_for_victims', tier: 'capacity', victims }],
        [],
        null,
        this.#planning.snapshot.nowMs,
      );
    if (hit !== null)
      return this.#wait(workload, [this.#limitReason(hit)], this.#limitChanges(workload, hit));
    const { explanation } = this.#verdicts.get(key)!;
    if (skip !== null && this.#held !== null && this.#fitsWithoutHold(workload)) {
      const { workloadId, untilMs } = this.#held;
      return this.#wait(
        workload,
        [{ code: 'behind_reservation', tier: 'order', workloadId, untilMs }, ...explanation.reasons],
        explanation.unblock,
      );
    }
    let startMs: number | null = null;
    if (this.#held === null && this.#options.reservation !== false) {
      const reservation = reserve(this.#planning, workload, skip);
      if (reservation !== null) {
        startMs = reservation.startMs;
        this.#hold(reservation.nodes, workload.id, startMs);
      }
    }
    this.#wait(workload, explanation.reasons, explanation.unblock, explanation.nearestMiss, startMs);
  }

  /** Ids of the workloads that leave for this one; null when nothing can be done for it. */
  #makeRoom(workload: Workload, skip: Uint8Array | null): string[] | null {
    const { placer, statement } = this.#planning;
    if (this.#leaving.length > 0) {
      // First see whether those who leave already make enough room: never evict twice for one.
      const mark = statement.checkpoint();
      for (const id of this.#leaving) statement.evict(id);
      const limited =
        this.#planning.tree.limitHit(
          this.#planning.tree.indexOf.get(workload.queueId)!,
          gangAmounts(workload),
        ) !== null;
      const outcome = limited ? null : placer.place(workload, { skip });
      statement.rollback(mark);
      if (outcome?.ok === true) {
        this.#hold(
          outcome.members.map((member) => member.node),
          workload.id,
          null,
        );
        this.#planning.tree.pledge(
          this.#planning.tree.indexOf.get(workload.queueId)!,
          gangAmounts(workload),
          1,
        );
        return this.#leaving;
      }
    }
    if (this.#options.preemption === false) return null;
    const rescue = this.#findVictims(workload, skip);
    if (rescue === null) return null;
    this.#evictions.push(...rescue.evictions);
    const ids = rescue.evictions.map((eviction) => eviction.workloadId);
    for (const id of ids) {
      const victim = this.#planning.workloads.get(id)!;
      // Leaving from now on, so that nobody counts on it again in this cycle.
      this.#planning.workloads.set(id, { ...victim, leaving: true });
      this.#pledgeLeaving(id);
    }
    this.#planning.tree.pledge(this.#planning.tree.indexOf.get(workload.queueId)!, gangAmounts(workload), 1);
    this.#hold(rescue.nodes, workload.id, null);
    return ids;
  }

  /** Equal workloads of one queue and priority have the same victims: none once is none for all. */
  #findVictims(workload: Workload, skip: Uint8Array | null): Rescue | null {
    const key = `${workload.queueId}|${workload.priority}|${this.#heldEpoch}|${this.#signature}`;
    if (this.#victimless.has(key)) return null;
    const rescue = findVictims(this.#planning, workload, skip);
    if (rescue === null) this.#victimless.add(key);
    return rescue;
  }

  #hold(nodes: readonly number[], workloadId: string, untilMs: number | null): void {
    this.#held ??= { nodes: new Uint8Array(this.#planning.state.nodes.length), workloadId, untilMs };
    for (const node of nodes) this.#held.nodes[node] = 1;
    if (untilMs === null) this.#held.untilMs = null;
    this.#heldEpoch++;
  }

  /** Nodes this workload has to leave alone; null when it is done before they are needed. */
  #skipFor(workload: Workload): Uint8Array | null {
    if (this.#held === null) return null;
    const { untilMs, nodes } = this.#held;
    return untilMs !== null && this.#planning.snapshot.nowMs + expectedRuntimeMs(workload) <= untilMs
      ? null
      : nodes;
  }

  #fitsWithoutHold(workload: Workload): boolean {
    const key = `${this.#placements.length}|${this.#signature}`;
    let fits = this.#withoutHold.get(key);
    if (fits === undefined) {
      const mark = this.#planning.statement.checkpoint();
      fits = this.#planning.placer.place(workload).ok;
      this.#planning.statement.rollback(mark);
      this.#withoutHold.set(key, fits);
    }
    return fits;
  }

  #neverRuns(workload: Workload, signature: string): Reason[] {
    const key = `${workload.queueId}\n${signature}`;
    let never = this.#never.get(key);
    if (never === undefined) {
      never = canEverRun(workload, this.#planning.snapshot, this.#planning.tree);
      this.#never.set(key, never);
    }
    return never;
  }

  /** Over the limit, a workload can still displace lower priorities of its own queue. */
  #mayPreemptWithin(workload: Workload): boolean {
    if (this.#options.preemption === false) return false;
    return this.#planning.snapshot.workloads.some(
      (other) =>
        other.state === 'running' &&
        other.queueId === workload.queueId &&
        other.priority < workload.priority &&
        (other.preemptible || other.leaving === true),
    );
  }

  #mayGrow(
    workload: Workload,
    membersSoFar: number,
    request: Workload['taskGroups'][number]['request'],
  ): boolean {
    const { tree } = this.#planning;
    const one = gangAmounts({ ...workload, taskGroups: [{ name: '', count: 1, minCount: 1, request }] });
    const taken = gangAmounts(workload);
    const minimum = workload.taskGroups.reduce((sum, group) => sum + group.minCount, 0);
    const extra = membersSoFar - minimum + 1;
    return (
      tree.limitHit(
        tree.indexOf.get(workload.queueId)!,
        taken.map((amount, resource) => amount + extra * one[resource]!),
      ) === null
    );
  }

  #limitReason(hit: LimitHit): Reason {
    return {
      code: 'queue_limit',
      tier: 'quota',
      queueId: this.#planning.tree.queues[hit.queue]!.id,
      resource: hit.resource,
      used: hit.used,
      requested: hit.requested,
      limit: hit.limit,
    };
  }

  #limitChanges(workload: Workload, hit: LimitHit): UnblockChange[] {
    if (!this.#fitsWithoutHold(workload)) return [];
    return [
      {
        kind: 'raise_queue_limit',
        queueId: this.#planning.tree.queues[hit.queue]!.id,
        resource: hit.resource,
        by: hit.used + hit.requested - hit.limit,
      },
    ];
  }

  #wait(
    workload: Workload,
    reasons: Reason[],
    unblock: UnblockChange[] = [],
    nearestMiss: Waiting['nearestMiss'] = null,
    estimatedStartMs: number | null = null,
  ): void {
    const position = this.#waiting.length + 1;
    const ahead = this.#waiting.slice(-AHEAD_LIMIT).map((other) => other.workloadId);
    this.#waiting.push({
      workloadId: workload.id,
      reasons,
      position,
      ahead,
      nearestMiss,
      unblock,
      estimatedStartMs,
    });
  }
}

/** Equal signatures ask for the same gang in the same place: one verdict serves all. */
function signatureOf(workload: Workload): string {
  const groups = workload.taskGroups.map(
    (group) => `${group.minCount}*${classKey(toClassRequest(group.request, workload))}`,
  );
  return `${groups.join('+')}@${workload.topology === undefined ? '' : `${workload.topology.mode}:${workload.topology.level}`}`;
}
