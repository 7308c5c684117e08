/**
 * A plan in the making. Every change of free capacity or queue usage goes through here and leaves
 * the old values in a journal: `rollback` puts exactly these back, bit for bit, and `commit` keeps
 * them and hands out what was done since the start.
 */
import type { ClusterState } from './cluster-state.ts';
import type { QueueTree } from './queue-tree.ts';
import { type Amounts, RESOURCES } from './queue-tree.ts';

/** One member on one node, in indices of the `ClusterState`. */
export interface PlacedMember {
  group: string;
  index: number;
  node: number;
  devices: number[];
  /** Taken of each device. */
  milli: number;
  deviceMemoryBytes: number;
  cpuMilli: number;
  memoryBytes: number;
  storageBytes: number;
}

export interface Placed {
  workloadId: string;
  queue: number;
  amounts: Amounts;
  members: PlacedMember[];
}

export type Operation = { kind: 'place'; placed: Placed } | { kind: 'evict'; placed: Placed };

type Undo =
  | { kind: 'node'; node: number; cpu: number; memory: number; storage: number; whole: number; milli: number }
  | { kind: 'device'; device: number; milli: number; memory: number }
  | { kind: 'queue'; queue: number; usage: Float64Array }
  | { kind: 'operation'; operation: Operation };

export class Statement {
  readonly #state: ClusterState;
  readonly #tree: QueueTree;
  #journal: Undo[] = [];
  #operations: Operation[] = [];
  /** Everything that holds capacity now, by workload. */
  readonly running = new Map<string, Placed>();

  constructor(state: ClusterState, tree: QueueTree) {
    this.#state = state;
    this.#tree = tree;
  }

  checkpoint(): number {
    return this.#journal.length;
  }

  rollback(mark: number): void {
    const state = this.#state;
    while (this.#journal.length > mark) {
      const undo = this.#journal.pop()!;
      switch (undo.kind) {
        case 'node':
          state.freeCpu[undo.node] = undo.cpu;
          state.freeMemory[undo.node] = undo.memory;
          state.freeStorage[undo.node] = undo.storage;
          state.wholeFree[undo.node] = undo.whole;
          state.freeMilliTotal[undo.node] = undo.milli;
          state.touch(undo.node);
          break;
        case 'device':
          state.freeMilli[undo.device] = undo.milli;
          state.freeDeviceMemory[undo.device] = undo.memory;
          break;
        case 'queue':
          this.#tree.usage.set(undo.usage, undo.queue * RESOURCES);
          break;
        case 'operation':
          this.#operations.pop();
          if (undo.operation.kind === 'place') this.running.delete(undo.operation.placed.workloadId);
          else this.running.set(undo.operation.placed.workloadId, undo.operation.placed);
      }
    }
  }

  /** Keeps everything; nothing before this point can be rolled back any more. */
  commit(): Operation[] {
    const operations = this.#operations;
    this.#operations = [];
    this.#journal = [];
    return operations;
  }

  /** Takes capacity for a member. The caller has made sure that it fits. */
  take(member: PlacedMember): void {
    this.#change(member, 1);
  }

  /** Records members already taken as a placement of `workloadId`, and charges its queue. */
  place(placed: Placed): void {
    this.#charge(placed, 1);
    this.#record({ kind: 'place', placed });
    this.running.set(placed.workloadId, placed);
  }

  evict(workloadId: string): Placed | null {
    const placed = this.running.get(workloadId);
    if (placed === undefined) return null;
    for (const member of placed.members) this.#change(member, -1);
    this.#charge(placed, -1);
    this.#record({ kind: 'evict', placed });
    this.running.delete(workloadId);
    this.#state.frees++;
    return placed;
  }

  /** The workload goes on with other members. Those of before are given back first; the caller has made sure that these fit then. */
  replace(placed: Placed): void {
    this.evict(placed.workloadId);
    for (const member of placed.members) this.take(member);
    this.place(placed);
  }

  #record(operation: Operation): void {
    this.#operations.push(operation);
    this.#journal.push({ kind: 'operation', operation });
  }

  #charge(placed: Placed, sign: 1 | -1): void {
    for (const queue of this.#tree.path[placed.queue]!) {
      this.#journal.push({
        kind: 'queue',
        queue,
        usage: this.#tree.usage.slice(queue * RESOURCES, (queue + 1) * RESOURCES),
      });
    }
    this.#tree.addUsage(placed.queue, placed.amounts, sign);
  }

  #change(member: PlacedMember, sign: 1 | -1): void {
    const state = this.#state;
    const { node } = member;
    this.#journal.push({
      kind: 'node',
      node,
      cpu: state.freeCpu[node]!,
      memory: state.freeMemory[node]!,
      storage: state.freeStorage[node]!,
      whole: state.wholeFree[node]!,
      milli: state.freeMilliTotal[node]!,
    });
    state.freeCpu[node]! -= sign * member.cpuMilli;
    state.freeMemory[node]! -= sign * member.memoryBytes;
    state.freeStorage[node]! -= sign * member.storageBytes;
    for (const device of member.devices) {
      const milliBefore = state.freeMilli[device]!;
      this.#journal.push({
        kind: 'device',
        device,
        milli: milliBefore,
        memory: state.freeDeviceMemory[device]!,
      });
      state.freeMilli[device] = milliBefore - sign * member.milli;
      state.freeDeviceMemory[device]! -= sign * member.deviceMemoryBytes;
      if (state.deviceOk[device] === 0) continue;
      state.freeMilliTotal[node]! -= sign * member.milli;
      const capacity = state.milliCapacity[device];
      state.wholeFree[node]! +=
        (state.freeMilli[device] === capacity ? 1 : 0) - (milliBefore === capacity ? 1 : 0);
    }
    state.touch(node);
  }
}
