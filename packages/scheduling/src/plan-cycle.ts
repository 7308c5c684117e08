/**
 * One scheduling cycle: takes pending workloads in order, places those that fit, makes room for
 * those entitled to it, reserves for the first that must wait, and says of everyone else why.
 * Pure: the same snapshot and options give the same plan.
 */
import { canEverRun } from './can-ever-run.ts';
import { explainFailure, type Explanation } from './explain.ts';
import { type Findings, FindingsBook } from './findings.ts';
import { Growth } from './growth.ts';
import { HeldNodes } from './held-nodes.ts';
import { PendingOrder } from './order.ts';
import { AHEAD_LIMIT, type Placement, type Plan, type UnblockChange, type Waiting } from './plan.ts';
import { MakingRoom, type RoomOptions } from './making-room.ts';
import { gangAmounts } from './gang-amounts.ts';
import { WAIT_BOUND_MS } from './policies.ts';
import { Planning } from './planning.ts';
import type { LendingHit, LimitHit } from './queue-tree.ts';
import { lendingReason, limitReason } from './quota-reason.ts';
import type { Reason } from './reason.ts';
import { PromisedNodes } from './promised-nodes.ts';
import { cautiousRuntimeMs, reserve } from './reservation.ts';
import type { Scorer } from './scorers.ts';
import type { Asked, Shape } from './shape.ts';
import type { Snapshot, Workload } from './snapshot.ts';
import { keptNodes } from './kept-nodes.ts';
import { fasterModels } from './speed/faster-models.ts';
import { ModelWishes } from './speed/model-wishes.ts';

export interface PlanOptions extends RoomOptions {
  scorer?: Scorer;
  /** Hold capacity for the first workload that capacity keeps waiting. Default true. */
  reservation?: boolean;
  /** How many kinds of waiting workloads get their unblocking changes tried. Default 20. */
  explainLimit?: number;
}

/** There is room, but not together. */
const SCATTERED: ReadonlySet<string> = new Set([
  'fragmented',
  'topology_not_satisfied',
  'slices_not_satisfied',
]);

export function planCycle(snapshot: Snapshot, options: PlanOptions = {}): Plan {
  const planning = new Planning(snapshot, options.scorer);
  planning.begin(snapshot.nowMs);
  return new Cycle(planning, options, 'keep').run();
}

export class Cycle {
  readonly #planning: Planning;
  readonly #options: PlanOptions;
  /** Placements are kept for good as they are made, or all undone by the caller afterwards. */
  readonly #afterwards: 'keep' | 'undo';
  readonly #placements: Placement[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #waitingIds: string[] = [];
  readonly #findings = new FindingsBook();
  readonly #held: HeldNodes;
  readonly #room: MakingRoom;
  readonly #growth: Growth;
  readonly #models: ModelWishes;
  readonly #promised: PromisedNodes;
  #explained = 0;

  constructor(planning: Planning, options: PlanOptions, afterwards: 'keep' | 'undo') {
    this.#planning = planning;
    this.#options = options;
    this.#afterwards = afterwards;
    this.#held = new HeldNodes(planning.state.nodes.length);
    this.#room = new MakingRoom(planning, options, this.#held);
    this.#growth = new Growth(planning, this.#held);
    this.#models = new ModelWishes(planning);
    this.#promised = new PromisedNodes(planning);
  }

  run(): Plan {
    const { tree, lanes, nowMs, strays } = this.#planning;
    const first = this.#keepersFirst();
    const order = new PendingOrder(tree, lanes, nowMs);
    for (let asked = order.take(); asked !== null; asked = order.take())
      if (!first.has(asked.workload.id)) this.#consider(asked);
    for (const { id, queueId } of [...strays.values()].sort((a, b) => (a.id < b.id ? -1 : 1)))
      this.#wait(id, [{ code: 'unknown_queue', tier: 'misconfigured', queueId }]);
    this.#growth.run();
    const { evictions, claims, movesLeft } = this.#room;
    const relocated = fasterModels(this.#planning, this.#held.forbiddenTo(Infinity), movesLeft);
    return {
      placements: this.#placements,
      evictions,
      claims,
      resizes: [...this.#room.resizes, ...this.#growth.resizes, ...relocated],
      reduced: this.#growth.reduced,
      waiting: this.#waiting,
    };
  }

  /** Those that nodes are kept for, before everybody else; answers who was considered. */
  #keepersFirst(): ReadonlySet<string> {
    const considered = new Set<string>();
    const waiting = [...this.#planning.keeping.values()].sort(
      (a, b) => a.workload.createdAtMs - b.workload.createdAtMs || (a.workload.id < b.workload.id ? -1 : 1),
    );
    for (const asked of waiting) {
      const kept = keptNodes(this.#planning, asked.workload);
      if (kept === null || asked.workload.held !== undefined) continue;
      considered.add(asked.workload.id);
      this.#consider(asked, kept.outside);
      const isPlaced = this.#placements.at(-1)?.workloadId === asked.workload.id;
      if (!isPlaced) this.#held.hold(kept.nodes, asked.workload.id, null);
    }
    return considered;
  }

  /** `outside`: nodes to be left alone at a first try. */
  #consider({ workload, shape }: Asked, outside: Uint8Array | null = null): void {
    if (workload.held !== undefined)
      return this.#wait(workload.id, [{ code: 'held', tier: 'held', why: workload.held }]);
    const { tree } = this.#planning;
    const queue = tree.indexOf.get(workload.queueId)!;
    const never = this.#neverRuns(workload, shape, queue);
    if (never.length > 0) return this.#wait(workload.id, never);
    const promised = this.#promised.forbiddenTo(workload);
    const findings = this.#findings.of(shape, promised);
    const hit = tree.limitHit(queue, shape.amounts);
    if (hit !== null && !this.#room.mayPreemptWithin(workload))
      return this.#wait(workload.id, [limitReason(tree, hit)], this.#limitChanges(workload, findings, hit));
    const keeper = hit === null ? tree.lendingHit(queue, shape.amounts) : null;
    if (keeper !== null)
      return this.#wait(
        workload.id,
        [lendingReason(tree, keeper)],
        this.#lendingChanges(workload, findings, keeper),
      );
    const ahead = hit === null ? this.#keptAhead(workload) : null;
    if (ahead !== null) return this.#wait(workload.id, [ahead]);
    const held = this.#held.forbiddenTo(this.#planning.nowMs + cautiousRuntimeMs(workload));
    const skip = promised === null ? held : either(promised, held);
    const aside = outside ?? this.#models.asideFor(workload);
    if (hit === null && aside !== null) {
      const near = this.#planning.placer.place(workload, { skip: either(aside, skip) });
      if (near.ok) return this.#start(workload, near.members);
    }
    if (hit === null && this.#known(findings, skip) === null) {
      const outcome = this.#planning.placer.place(workload, { skip });
      if (outcome.ok) return this.#start(workload, outcome.members);
      const withChanges = this.#explained++ < (this.#options.explainLimit ?? 20);
      const explanation = explainFailure(this.#planning, workload, outcome.failure, skip, withChanges);
      if (skip === null) findings.anywhere = explanation;
      else findings.beside = { epoch: this.#held.epoch, explanation };
    }
    if (hit === null && promised !== null && this.#fits(workload, held))
      return this.#wait(workload.id, [this.#promised.reasonFor(workload)]);
    this.#blocked(workload, shape, findings, hit, skip);
  }

  /** A peak that others expect; who has waited too long is not held back for it any more. */
  #keptAhead(workload: Workload): Reason | null {
    const { ahead, nowMs, tree } = this.#planning;
    if (nowMs - workload.createdAtMs - (workload.ranForMs ?? 0) >= WAIT_BOUND_MS) return null;
    const queue = tree.indexOf.get(workload.queueId)!;
    const endMs = nowMs + cautiousRuntimeMs(workload);
    return ahead.refuses({ queue, devices: gangAmounts(workload)[0]!, nowMs, endMs });
  }

  /** Free capacity only shrinks within a cycle, so what did not fit once does not fit later. */
  #known(findings: Findings, skip: Uint8Array | null): Explanation | null {
    if (skip === null) return findings.anywhere;
    return findings.beside?.epoch === this.#held.epoch ? findings.beside.explanation : null;
  }

  #start(workload: Workload, members: Parameters<Planning['book']>[1]): void {
    this.#planning.book(workload, members);
    const placement = { workloadId: workload.id, members: this.#planning.toAllocation(members) };
    this.#placements.push(placement);
    this.#growth.note(workload, placement);
    if (this.#afterwards === 'keep') this.#planning.statement.commit();
  }

  #blocked(
    workload: Workload,
    shape: Shape,
    findings: Findings,
    hit: LimitHit | null,
    skip: Uint8Array | null,
  ): void {
    const isScattered = this.#known(findings, skip)?.reasons.some(({ code }) => SCATTERED.has(code)) === true;
    const victims = this.#room.for(workload, shape, findings.victimless, isScattered, skip);
    if (victims !== null) {
      const reasons: Reason[] = [{ code: 'waiting_for_victims', tier: 'capacity', victims: [...victims] }];
      return this.#wait(workload.id, reasons, [], null, this.#planning.nowMs);
    }
    if (hit !== null)
      return this.#wait(
        workload.id,
        [limitReason(this.#planning.tree, hit)],
        this.#limitChanges(workload, findings, hit),
      );
    const explanation = this.#known(findings, skip)!;
    const { holder } = this.#held;
    if (skip !== null && holder !== null && this.#fitsWithoutHold(workload, findings)) {
      return this.#wait(
        workload.id,
        [{ code: 'behind_reservation', tier: 'order', ...holder }],
        explanation.unblock,
      );
    }
    let startMs: number | null = null;
    if (holder === null && this.#options.reservation !== false && !findings.hopeless) {
      const reservation = reserve(this.#planning, workload, skip);
      if (reservation === null) findings.hopeless = true;
      else {
        startMs = reservation.startMs;
        this.#held.hold(reservation.nodes, workload.id, startMs);
      }
    }
    this.#wait(workload.id, explanation.reasons, explanation.unblock, explanation.nearestMiss, startMs);
  }

  #fitsWithoutHold(workload: Workload, findings: Findings): boolean {
    const placements = this.#placements.length;
    if (findings.withoutHold?.placements !== placements) {
      const fits = this.#fits(workload, this.#promised.forbiddenTo(workload));
      findings.withoutHold = { placements, fits };
    }
    return findings.withoutHold.fits;
  }

  /** Tried, and undone. */
  #fits(workload: Workload, skip: Uint8Array | null): boolean {
    const { placer, statement } = this.#planning;
    const mark = statement.checkpoint();
    const { ok } = placer.place(workload, { skip });
    statement.rollback(mark);
    return ok;
  }

  #neverRuns(workload: Workload, shape: Shape, queue: number): Reason[] {
    let never = shape.never.get(queue);
    if (never === undefined) {
      never = canEverRun(workload, this.#planning.shape, this.#planning.tree);
      shape.never.set(queue, never);
    }
    return never;
  }

  #limitChanges(workload: Workload, findings: Findings, hit: LimitHit): UnblockChange[] {
    // More than one limit in the way: raising one would not help.
    const { tree } = this.#planning;
    const queue = tree.indexOf.get(workload.queueId)!;
    const amounts = gangAmounts(workload);
    const isKept = tree.lendingHit(queue, amounts) !== null || this.#keptAhead(workload) !== null;
    if (isKept || tree.limitHits(queue, amounts).length > 1 || !this.#fitsWithoutHold(workload, findings))
      return [];
    const { id, limit, deserved, borrowing } = tree.queues[hit.queue]!;
    const { resource } = hit;
    const needed = hit.used + hit.requested;
    const mayBorrow = (deserved?.[resource] ?? 0) + (borrowing?.[resource] ?? Infinity);
    const isLimited = needed > (limit?.[resource] ?? Infinity) + 1e-9;
    if (isLimited && needed > mayBorrow + 1e-9) return [];
    const by = needed - hit.limit;
    return [{ kind: isLimited ? 'raise_queue_limit' : 'borrow_more', queueId: id, resource, by }];
  }

  #lendingChanges(workload: Workload, findings: Findings, hit: LendingHit): UnblockChange[] {
    const isKept = this.#keptAhead(workload) !== null;
    if (!hit.suffices || isKept || !this.#fitsWithoutHold(workload, findings)) return [];
    const { id } = this.#planning.tree.queues[hit.queue]!;
    return [{ kind: 'lend_more', queueId: id, resource: hit.resource, by: hit.by }];
  }

  #wait(
    workloadId: string,
    reasons: Reason[],
    unblock: UnblockChange[] = [],
    nearestMiss: Waiting['nearestMiss'] = null,
    estimatedStartMs: number | null = null,
  ): void {
    const before = this.#waitingIds.length;
    this.#waiting.push({
      workloadId,
      reasons,
      position: before + 1,
      ahead: this.#waitingIds.slice(Math.max(0, before - AHEAD_LIMIT), before),
      nearestMiss,
      unblock,
      estimatedStartMs,
    });
    this.#waitingIds.push(workloadId);
  }
}

function either(a: Uint8Array, b: Uint8Array | null): Uint8Array {
  return b === null ? a : a.map((set, at) => set | b[at]!);
}
