/**
 * Workloads that ask for the same gang in the same place have one shape: one verdict, one search
 * and one explanation serve all of them.
 */
import { gangAmounts } from './gang-amounts.ts';
import type { Amounts } from './queue-tree.ts';
import type { Reason } from './reason.ts';
import { classKey, toClassRequest } from './class-request.ts';
import type { Workload } from './snapshot.ts';

export interface Shape {
  readonly key: string;
  /** What the smallest gang takes. */
  readonly amounts: Amounts;
  /** Why it can never run, by queue index; empty = it can. */
  readonly never: Map<number, Reason[]>;
}

/** A pending workload with what every cycle asks about it. */
export interface Asked {
  readonly workload: Workload;
  readonly shape: Shape;
  /** No longer pending: dropped from its lane when that is next put in order. */
  gone: boolean;
}

export function shapeKey(workload: Workload): string {
  const groups = workload.taskGroups.map(
    (group) => `${group.name}:${group.minCount}*${classKey(toClassRequest(group.request, workload))}`,
  );
  const { slices, topology } = workload;
  const together = slices === undefined ? '' : `/${slices.size}:${slices.level}`;
  return `${groups.join('+')}@${topology === undefined ? '' : `${topology.mode}:${topology.level}`}${together}`;
}

export class ShapeTable {
  readonly #shapes = new Map<string, Shape>();

  of(workload: Workload): Shape {
    const key = shapeKey(workload);
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      shape = { key, amounts: gangAmounts(workload), never: new Map() };
      this.#shapes.set(key, shape);
    }
    return shape;
  }

  /** Forgets shapes that nobody has any more, once there are many. */
  prune(inUse: () => Iterable<Shape>, limit: number): void {
    if (this.#shapes.size <= limit) return;
    const kept = new Map<string, Shape>();
    for (const shape of inUse()) kept.set(shape.key, shape);
    this.#shapes.clear();
    for (const [key, shape] of kept) this.#shapes.set(key, shape);
  }
}
