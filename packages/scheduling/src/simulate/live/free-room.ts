/** What each node has free, for who looks on: whole devices, or cores where the cluster has none. */
import type { NodeState, Workload } from '../../snapshot.ts';

export class FreeRoom {
  /** By node, in the order of the world. */
  readonly capacity: Float64Array;
  readonly free: Float64Array;
  readonly #hasDevices: boolean;
  readonly #indexOf: ReadonlyMap<string, number>;

  constructor(nodes: readonly NodeState[]) {
    this.#hasDevices = nodes.some(({ devices }) => devices.length > 0);
    this.#indexOf = new Map(nodes.map(({ id }, index) => [id, index]));
    this.capacity = Float64Array.from(nodes, ({ devices, capacity }) =>
      this.#hasDevices ? devices.length : capacity.cpuMilli / 1000,
    );
    this.free = this.capacity.slice();
  }

  take(running: Workload): void {
    this.#change(running, -1);
  }

  give(running: Workload): void {
    this.#change(running, 1);
  }

  /** In the unit of `capacity`, with all its members. */
  sizeOf({ taskGroups }: Workload): number {
    return taskGroups.reduce(
      (sum, { count, request }) =>
        sum +
        count * (this.#hasDevices ? request.devices + request.deviceMilli / 1000 : request.cpuMilli / 1000),
      0,
    );
  }

  #change({ allocation = [], taskGroups }: Workload, sign: number): void {
    for (const { group, nodeId } of allocation) {
      const at = this.#indexOf.get(nodeId);
      const request = taskGroups.find(({ name }) => name === group)?.request;
      if (at === undefined || request === undefined) continue;
      const size = this.#hasDevices ? request.devices + request.deviceMilli / 1000 : request.cpuMilli / 1000;
      this.free[at]! += sign * size;
    }
  }
}
