/**
 * The end of a cycle, when everybody who can start has started: elastic gangs get the members beyond
 * their minimum, the highest priority first. Who starts in this cycle gets them for nothing; who runs
 * already pays a restart, and grows only when that makes him done sooner and his size has settled.
 */
import { isElastic, renumbered, settledAtMs, sizeOf, withMembers } from './elastic.ts';
import { capacityReason } from './explain.ts';
import { gangAmounts } from './gang-amounts.ts';
import type { HeldNodes } from './held-nodes.ts';
import { lostDeviceSeconds, lostMs } from './lost-work.ts';
import type { Placement, Reduced, Resize } from './plan.ts';
import type { Planning } from './planning.ts';
import { type Amounts, RESOURCES } from './queue-tree.ts';
import type { Reason } from './reason.ts';
import { lendingReason, limitReason } from './quota-reason.ts';
import { sizeTargets } from './speed/size-targets.ts';
import { cautiousRuntimeMs, expectedEndMs } from './reservation.ts';
import type { TaskGroup, Workload } from './snapshot.ts';
import type { Placed, PlacedMember } from './statement.ts';

/** A running gang must be done in this part of the time that is left to it, restart included. */
const WORTH_PART = 0.9;

interface Growing {
  workload: Workload;
  /** Of a gang that starts in this cycle. */
  placement: Placement | null;
}

export class Growth {
  readonly resizes: Resize[] = [];
  readonly reduced: Reduced[] = [];
  readonly #planning: Planning;
  readonly #held: HeldNodes;
  readonly #starting: Growing[] = [];

  constructor(planning: Planning, held: HeldNodes) {
    this.#planning = planning;
    this.#held = held;
  }

  /** Starts with its minimum in this cycle. */
  note(workload: Workload, placement: Placement): void {
    if (isElastic(workload)) this.#starting.push({ workload, placement });
  }

  run(): void {
    const { tree, elastic } = this.#planning;
    const growing = [
      ...this.#starting,
      ...[...elastic.values()]
        .filter((workload) => !this.#planning.isMoving(workload))
        .map((workload): Growing => ({ workload, placement: null })),
    ];
    const queueOf = ({ workload }: Growing): number => tree.indexOf.get(workload.queueId)!;
    growing.sort(
      (a, b) =>
        b.workload.priority - a.workload.priority ||
        tree.compare(queueOf(a), queueOf(b)) ||
        a.workload.createdAtMs - b.workload.createdAtMs ||
        (a.workload.id < b.workload.id ? -1 : 1),
    );
    const forbidden = this.#held.forbiddenTo(Infinity);
    const targets = sizeTargets(
      this.#planning,
      growing.map(({ workload }) => workload),
      (node) => forbidden?.[node] === 1,
    );
    const gaining = growing.find(({ workload }) => this.#isBelow(workload, targets.get(workload.id)));
    for (const each of growing) {
      const target = targets.get(each.workload.id);
      if (gaining === undefined || !this.#shrink(each, target, gaining.workload)) this.#grow(each, target);
    }
  }

  #isBelow({ id }: Workload, target: number | undefined): boolean {
    return target !== undefined && this.#planning.statement.running.get(id)!.members.length < target;
  }

  /** Its last members are worth more elsewhere. */
  #shrink({ workload, placement }: Growing, target: number | undefined, gaining: Workload): boolean {
    const { nowMs, statement } = this.#planning;
    const placed = statement.running.get(workload.id);
    if (placement !== null || target === undefined || placed === undefined) return false;
    if (target >= placed.members.length) return false;
    this.resizes.push({
      workloadId: workload.id,
      members: this.#planning.toAllocation(renumbered(placed.members).slice(0, target)),
      reason: {
        code: 'shrunk',
        forWorkloadId: gaining.id,
        lostDeviceSeconds: lostDeviceSeconds(workload, nowMs),
      },
    });
    return true;
  }

  /** `target`: how large its policy wants it, where that says so; then it has counted the restart, too. */
  #grow({ workload, placement }: Growing, target: number | undefined): void {
    const { nowMs, placer, statement } = this.#planning;
    const placed = statement.running.get(workload.id);
    if (placed === undefined) return;
    const wanting = workload.taskGroups.filter(({ name, count }) => sizeOf(placed, name) < count);
    if (wanting.length === 0) return;
    const untilMs = settledAtMs(workload, nowMs);
    if (placement === null && nowMs < untilMs)
      return this.#tell(workload, placed, () => ({ code: 'settling', tier: 'order', untilMs }));
    const endMs = placement === null ? expectedEndMs(workload, nowMs) : nowMs + cautiousRuntimeMs(workload);
    const free = this.#held.forbiddenTo(endMs);
    const skip = placer.outsideDomain(workload, placed.members, free);
    const mark = statement.checkpoint();
    const extra: PlacedMember[] = [];
    const amounts = new Float64Array(RESOURCES);
    const why = new Map<TaskGroup, Reason>();
    for (const group of wanting) {
      const requestClass = placer.classOf(group, workload);
      const one = gangAmounts({ ...workload, taskGroups: [group] }, () => 1);
      for (let size = sizeOf(placed, group.name); size < group.count; size++) {
        if (target !== undefined && size >= target) {
          why.set(group, { code: 'growth_not_worth', tier: 'order' });
          break;
        }
        const hit = this.#quotaHit(placed.queue, added(amounts, one), endMs);
        const member = hit === null ? placer.takeOne(requestClass, group.name, size, skip) : null;
        if (member === null) {
          why.set(group, hit ?? this.#noRoom(workload, group, size, free, skip));
          break;
        }
        extra.push(member);
        for (let resource = 0; resource < RESOURCES; resource++) amounts[resource]! += one[resource]!;
      }
    }
    statement.rollback(mark);
    const isWorth =
      placement !== null ||
      target !== undefined ||
      this.#isDoneSooner(workload, placed.members.length, extra.length);
    if (extra.length > 0 && isWorth) {
      const members = renumbered([...placed.members, ...extra]);
      const larger = withMembers(workload, placed, members);
      statement.replace(larger);
      const allocation = this.#planning.toAllocation(members);
      if (placement !== null) placement.members = allocation;
      else {
        this.resizes.push({
          workloadId: workload.id,
          members: allocation,
          reason: { code: 'grown', lostDeviceSeconds: lostDeviceSeconds(workload, nowMs) },
        });
      }
      return this.#tell(workload, larger, (group) => why.get(group));
    }
    this.#tell(workload, placed, (group) =>
      extra.length > 0 ? { code: 'growth_not_worth', tier: 'order' } : why.get(group),
    );
  }

  #tell(workload: Workload, placed: Placed, why: (group: TaskGroup) => Reason | undefined): void {
    for (const group of workload.taskGroups) {
      const members = sizeOf(placed, group.name);
      if (members >= group.count) continue;
      const reason = why(group);
      this.reduced.push({
        workloadId: workload.id,
        group: group.name,
        members,
        wanted: group.count,
        reasons: reason === undefined ? [] : [reason],
      });
    }
  }

  /** With n times the members the rest takes an n-th of the time; what was not saved is done again. */
  #isDoneSooner(workload: Workload, members: number, extra: number): boolean {
    const { nowMs } = this.#planning;
    const leftMs = expectedEndMs(workload, nowMs) - nowMs;
    const { unsavedMs, restartMs } = lostMs(workload, nowMs);
    return restartMs + ((leftMs + unsavedMs) * members) / (members + extra) <= WORTH_PART * leftMs;
  }

  #quotaHit(queue: number, amounts: Amounts, endMs: number): Reason | null {
    const { ahead, nowMs, tree } = this.#planning;
    const limit = tree.limitHit(queue, amounts);
    if (limit !== null) return limitReason(tree, limit);
    const kept = tree.lendingHit(queue, amounts);
    if (kept !== null) return lendingReason(tree, kept);
    return ahead.refuses({ queue, devices: amounts[0]!, nowMs, endMs });
  }

  #noRoom(
    workload: Workload,
    group: TaskGroup,
    size: number,
    free: Uint8Array | null,
    skip: Uint8Array | null,
  ): Reason {
    const requestClass = this.#planning.placer.classOf(group, workload);
    const { topology } = workload;
    if (skip !== free && requestClass.best(free) !== null)
      return {
        code: 'topology_not_satisfied',
        tier: 'capacity',
        level: topology!.level,
        requestedMembers: group.count,
        bestDomain: null,
        fittingMembers: size,
      };
    const { holder } = this.#held;
    if (free !== null && holder !== null && requestClass.best() !== null)
      return { code: 'behind_reservation', tier: 'order', ...holder };
    return capacityReason(this.#planning, { ...group, minCount: 1 }, requestClass);
  }
}

function added(a: Amounts, b: Amounts): Amounts {
  return a.map((amount, resource) => amount + b[resource]!);
}
