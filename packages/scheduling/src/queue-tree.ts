/**
 * The queue tree as arrays: usage, limits and fair shares per resource, kept for a queue and all
 * its ancestors. Fair share: first what is deserved (as far as it is asked for), then the rest by
 * weight among those who still ask — level by level, from the roots down.
 */
import { checkAmounts, indexQueues, pathOf } from './check-queues.ts';
import { RESOURCE_NAMES, type QueueNode, type ResourceName, type ResourceVector } from './snapshot.ts';

import { waterFill } from './water-fill.ts';

export const RESOURCES = RESOURCE_NAMES.length;
export type Amounts = Float64Array;

export function toAmounts(vector: Partial<ResourceVector> | undefined, missing: number): Amounts {
  return Float64Array.from(RESOURCE_NAMES, (name) => vector?.[name] ?? missing);
}

/**
 * Sums of shares of devices (multiples of 1/1000) without a trace of the order they were added in:
 * a queue that gave everything back has used exactly nothing.
 */
export function exact(resource: number, amount: number): number {
  return resource === 0 ? Math.round(amount * 1000) / 1000 : amount;
}

export interface LimitHit {
  queue: number;
  resource: ResourceName;
  used: number;
  requested: number;
  limit: number;
}

export interface LendingHit {
  queue: number;
  resource: ResourceName;
  /** What it keeps unused. */
  kept: number;
  /** What is missing. */
  by: number;
  /** It alone could lend that much. */
  suffices: boolean;
}

export class QueueTree {
  readonly queues: readonly QueueNode[];
  /** Queue index by id. */
  readonly indexOf: ReadonlyMap<string, number>;
  /** The queue itself first, its root last. */
  readonly path: readonly (readonly number[])[];
  /** usage[queue * RESOURCES + resource] */
  readonly usage: Float64Array;
  /** Promised this cycle: + for whom room is being made, - for who leaves. Counts for fairness, not as free. */
  readonly pledged: Float64Array;
  readonly fairShare: Float64Array;
  readonly limit: Float64Array;
  readonly deserved: Float64Array;
  /** Of what it deserves, the part it lends to nobody. */
  readonly #unlent: Float64Array;
  /** Queues that keep anything at all. */
  readonly #keepers: number[] = [];
  readonly #recentUse: Float64Array;
  #total: Amounts = new Float64Array(RESOURCES);
  readonly #weight: Float64Array;
  readonly #children: number[][];
  readonly #roots: number[] = [];

  constructor(queues: readonly QueueNode[]) {
    this.queues = queues;
    this.indexOf = indexQueues(queues);
    const size = queues.length * RESOURCES;
    this.usage = new Float64Array(size);
    this.pledged = new Float64Array(size);
    this.fairShare = new Float64Array(size);
    this.limit = new Float64Array(size);
    this.deserved = new Float64Array(size);
    this.#weight = new Float64Array(size);
    this.#unlent = new Float64Array(size);
    this.#recentUse = new Float64Array(queues.length);
    this.#children = queues.map(() => []);
    for (const [index, queue] of queues.entries()) {
      this.limit.set(toAmounts(queue.limit, Infinity), index * RESOURCES);
      this.deserved.set(toAmounts(queue.deserved, 0), index * RESOURCES);
      this.#weight.set(toAmounts(queue.weight, 1), index * RESOURCES);
      const borrowing = toAmounts(queue.borrowing, Infinity);
      const lending = toAmounts(queue.lending, Infinity);
      for (let resource = 0; resource < RESOURCES; resource++) {
        const at = index * RESOURCES + resource;
        this.limit[at] = Math.min(this.limit[at]!, this.deserved[at]! + borrowing[resource]!);
        this.#unlent[at] = Math.max(0, this.deserved[at]! - lending[resource]!);
      }
      if (queue.lending !== undefined) this.#keepers.push(index);
      checkAmounts(queue);
      const parent = queue.parentId === null ? undefined : this.indexOf.get(queue.parentId);
      if (parent === undefined) this.#roots.push(index);
      else this.#children[parent]!.push(index);
    }
    this.path = queues.map((_, index) => pathOf(queues, this.indexOf, index));
    for (const [index, { recentUse }] of queues.entries())
      if (recentUse !== undefined) this.setRecentUse(index, recentUse);
  }

  /** The first limit on the way to the root that `request` would break; null when none. */
  limitHit(queue: number, request: Amounts): LimitHit | null {
    for (const ancestor of this.path[queue]!)
      for (let resource = 0; resource < RESOURCES; resource++) {
        const hit = this.#hit(ancestor, resource, request);
        if (hit !== null) return hit;
      }
    return null;
  }

  /** All of them. */
  limitHits(queue: number, request: Amounts): LimitHit[] {
    return this.path[queue]!.flatMap((ancestor) =>
      Array.from({ length: RESOURCES }, (_, resource) => this.#hit(ancestor, resource, request)).filter(
        (hit) => hit !== null,
      ),
    );
  }

  #hit(queue: number, resource: number, request: Amounts): LimitHit | null {
    const requested = request[resource]!;
    if (requested === 0) return null;
    const at = queue * RESOURCES + resource;
    const used = this.usage[at]! + Math.max(0, this.pledged[at]!);
    const limit = this.limit[at]!;
    if (used + requested <= limit + 1e-9) return null;
    return { queue, resource: RESOURCE_NAMES[resource]!, used, requested, limit };
  }

  /**
   * The queue that keeps from others what it does not use, where that is what stands in the way of
   * `request`; the one that would have to lend most of all. null when nobody does.
   */
  lendingHit(queue: number, request: Amounts): LendingHit | null {
    if (this.#keepers.length === 0) return null;
    for (let resource = 0; resource < RESOURCES; resource++) {
      const requested = request[resource]!;
      if (requested === 0) continue;
      let used = 0;
      for (const root of this.#roots) used += this.usage[root * RESOURCES + resource]!;
      let kept = 0;
      let keeper: { queue: number; kept: number } | null = null;
      for (const other of this.#keepers) {
        if (this.path[queue]!.includes(other)) continue;
        const at = other * RESOURCES + resource;
        const unused = this.#unlent[at]! - this.usage[at]!;
        if (unused <= 0) continue;
        kept += unused;
        if (keeper === null || unused > keeper.kept) keeper = { queue: other, kept: unused };
      }
      const by = used + requested + kept - this.#total[resource]!;
      if (keeper !== null && by > 1e-9)
        return {
          queue: keeper.queue,
          resource: RESOURCE_NAMES[resource]!,
          kept: keeper.kept,
          by,
          suffices: by <= keeper.kept + 1e-9,
        };
    }
    return null;
  }

  setRecentUse(queue: number, part: number): void {
    for (const ancestor of this.path[queue]!) this.#recentUse[ancestor]! += part;
  }

  /** Nothing was used lately. */
  clearRecentUse(): void {
    this.#recentUse.fill(0);
  }

  addUsage(queue: number, request: Amounts, sign: 1 | -1): void {
    for (const ancestor of this.path[queue]!) {
      for (let resource = 0; resource < RESOURCES; resource++) {
        const at = ancestor * RESOURCES + resource;
        this.usage[at] = exact(resource, this.usage[at]! + sign * request[resource]!);
      }
    }
  }

  pledge(queue: number, request: Amounts, sign: 1 | -1): void {
    for (const ancestor of this.path[queue]!) {
      for (let resource = 0; resource < RESOURCES; resource++) {
        const at = ancestor * RESOURCES + resource;
        this.pledged[at] = exact(resource, this.pledged[at]! + sign * request[resource]!);
      }
    }
  }

  clearPledges(): void {
    this.pledged.fill(0);
  }

  /** `demand` = what each queue itself uses and asks, per resource (own workloads only). */
  divide(total: Amounts, demand: Float64Array): void {
    this.#total = total;
    this.fairShare.fill(0);
    const wanted = new Float64Array(demand.length);
    for (let queue = 0; queue < this.queues.length; queue++) {
      for (const ancestor of this.path[queue]!) {
        for (let resource = 0; resource < RESOURCES; resource++) {
          wanted[ancestor * RESOURCES + resource]! += demand[queue * RESOURCES + resource]!;
        }
      }
    }
    for (let resource = 0; resource < RESOURCES; resource++)
      this.#divideAmong(this.#roots, resource, total[resource]!, wanted);
  }

  #divideAmong(siblings: readonly number[], resource: number, total: number, wanted: Float64Array): void {
    const given = waterFill(
      total,
      siblings.map((queue) => {
        const at = queue * RESOURCES + resource;
        return {
          asked: Math.min(wanted[at]!, this.limit[at]!),
          deserved: this.deserved[at]!,
          weight: this.#weight[at]!,
        };
      }),
    );
    for (const [index, queue] of siblings.entries())
      this.fairShare[queue * RESOURCES + resource] = given[index]!;
    for (const queue of siblings) {
      this.#divideAmong(
        this.#children[queue]!,
        resource,
        this.fairShare[queue * RESOURCES + resource]!,
        wanted,
      );
    }
  }

  /** How much of its fair share a queue uses, for the resource it uses most of (dominant share). */
  saturation(queue: number): number {
    let worst = 0;
    for (let resource = 0; resource < RESOURCES; resource++) {
      const used = this.usage[queue * RESOURCES + resource]! + this.pledged[queue * RESOURCES + resource]!;
      if (used <= 1e-9) continue;
      const share = this.fairShare[queue * RESOURCES + resource]!;
      worst = Math.max(worst, share > 0 ? used / share : Infinity);
    }
    return worst;
  }

  /** What it used lately, in multiples of its fair part of all devices. */
  #recentSaturation(queue: number): number {
    const used = this.#recentUse[queue]!;
    if (used === 0 || this.#total[0] === 0) return 0;
    const part = this.fairShare[queue * RESOURCES]! / this.#total[0]!;
    return part > 0 ? used / part : Infinity;
  }

  /** Would the queue and all its ancestors stay within their fair share with `request` added? */
  staysFair(queue: number, request: Amounts): boolean {
    for (const ancestor of this.path[queue]!) {
      for (let resource = 0; resource < RESOURCES; resource++) {
        if (request[resource] === 0) continue;
        const at = ancestor * RESOURCES + resource;
        if (this.usage[at]! + this.pledged[at]! + request[resource]! > this.fairShare[at]! + 1e-6)
          return false;
      }
    }
    return true;
  }

  /** Compares two queues where their paths part: the less saturated goes first. */
  compare(a: number, b: number): number {
    if (a === b) return 0;
    const pathA = this.path[a]!;
    const pathB = this.path[b]!;
    let depthA = pathA.length - 1;
    let depthB = pathB.length - 1;
    while (depthA >= 0 && depthB >= 0 && pathA[depthA] === pathB[depthB]) {
      depthA--;
      depthB--;
    }
    if (depthA < 0 || depthB < 0) return depthB - depthA;
    const left = pathA[depthA]!;
    const right = pathB[depthB]!;
    const priority = (this.queues[right]!.priority ?? 0) - (this.queues[left]!.priority ?? 0);
    if (priority !== 0) return priority;
    const saturationLeft = this.saturation(left) + this.#recentSaturation(left);
    const saturationRight = this.saturation(right) + this.#recentSaturation(right);
    return saturationLeft === saturationRight ? 0 : saturationLeft - saturationRight;
  }
}
