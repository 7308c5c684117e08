/**
 * The working form of a cluster: columns of free capacity, the queue tree, who holds what and who
 * waits. It is brought up to date workload by workload, so that a cycle after one event starts
 * from what the cycle before left behind.
 */
import { KeptAhead } from './ahead/kept-ahead.ts';
import type { ClusterShape } from './can-ever-run.ts';
import { checkWorkload } from './check-workload.ts';
import { ClusterState } from './cluster-state.ts';
import { isElastic, joining, withMembers } from './elastic.ts';
import { Lanes } from './order.ts';
import type { Resize } from './plan.ts';
import { deviceTake } from './pick-devices.ts';
import { memberAmounts } from './gang-amounts.ts';
import { Placer } from './placement.ts';
import { type Amounts, exact, QueueTree, RESOURCES } from './queue-tree.ts';
import { toClassRequest } from './class-request.ts';
import { createShadowPrice, type Scorer } from './scorers.ts';
import { type Asked, ShapeTable } from './shape.ts';
import type { AllocationMember, ExpectedPeak, NodeLive, Snapshot, Workload } from './snapshot.ts';
import { type Placed, type PlacedMember, Statement } from './statement.ts';
import { withExpected, withLive, withRecentUse } from './world-facts.ts';

/** So many shapes and request classes are kept for later cycles, used or not. */
const KEPT_SHAPES = 4096;
const KEPT_CLASSES = 256;

export class Planning {
  nowMs: number;
  shape: ClusterShape;
  readonly state: ClusterState;
  readonly tree: QueueTree;
  readonly statement: Statement;
  readonly placer: Placer;
  readonly ahead: KeptAhead;
  readonly workloads = new Map<string, Workload>();
  readonly lanes = new Lanes();
  /** Pending workloads that name no queue there is. */
  readonly strays = new Map<string, Workload>();
  /** Pending workloads that nodes are kept for. */
  readonly keeping = new Map<string, Asked>();
  /** Running workloads that may have to make room, whole or in part, or are on their way. */
  readonly yielding = new Map<string, Workload>();
  /** Running workloads whose size may change. */
  readonly elastic = new Map<string, Workload>();
  readonly #asked = new Map<string, Asked>();
  readonly #shapes = new ShapeTable();
  readonly #leaving = new Set<string>();
  /** What each workload whose change of size was ordered will hold, as far as it holds it already. */
  readonly #resizing = new Map<string, Placed>();
  /** Evicted or resized by the plan in the making. */
  readonly #doomed = new Set<string>();
  readonly #total: Amounts;
  /** What each queue itself uses and asks, per resource. */
  readonly #demand: Float64Array;

  constructor(snapshot: Snapshot, scorer: Scorer = createShadowPrice(), tieRank: Int32Array | null = null) {
    this.nowMs = snapshot.nowMs;
    this.shape = snapshot;
    this.state = new ClusterState(snapshot.nodes);
    this.tree = new QueueTree(snapshot.queues);
    this.statement = new Statement(this.state, this.tree);
    this.placer = new Placer(this.state, this.statement, scorer, {
      levels: snapshot.topologyLevels,
      tieRank,
    });
    this.#total = totalOf(this.state);
    this.ahead = new KeptAhead(this.tree, this.#total[0]!);
    this.#demand = new Float64Array(this.tree.queues.length * RESOURCES);
    for (const workload of snapshot.workloads) this.upsert(workload);
  }

  /** Brings one workload up to date. Throws before anything has changed when it contradicts itself. */
  upsert(workload: Workload): void {
    checkWorkload(workload);
    this.remove(workload.id);
    this.workloads.set(workload.id, workload);
    if (workload.state === 'running') this.#load(workload);
    else this.#ask(workload);
    this.statement.commit();
  }

  remove(id: string): void {
    if (!this.workloads.delete(id)) return;
    this.#leaving.delete(id);
    this.#resizing.delete(id);
    this.elastic.delete(id);
    this.yielding.delete(id);
    this.strays.delete(id);
    const placed = this.statement.evict(id);
    this.statement.commit();
    if (placed !== null) this.#addDemand(placed.queue, placed.amounts, -1);
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    asked.gone = true;
    this.#asked.delete(id);
    this.keeping.delete(id);
    const queue = this.tree.indexOf.get(asked.workload.queueId)!;
    this.lanes.drop(queue);
    if (asked.workload.held === undefined) this.#addDemand(queue, asked.shape.amounts, -1);
  }

  /** Made ready for a cycle at this time: nothing is promised, everyone's fair share is known. */
  begin(nowMs: number): void {
    this.nowMs = nowMs;
    this.#doomed.clear();
    this.tree.clearPledges();
    this.tree.divide(this.#total, this.#demand);
    this.#shapes.prune(() => this.lanes.shapes(), KEPT_SHAPES);
    this.placer.classes.forget(KEPT_CLASSES);
  }

  /** Peaks that queues are expected to have (`QueueNode.expected`). */
  setExpected(peaks: ReadonlyMap<string, readonly ExpectedPeak[]>): void {
    this.shape = withExpected(this.shape, peaks);
    this.ahead.set(this.shape.queues);
  }

  setRecentUse(parts: ReadonlyMap<string, number>): void {
    this.tree.clearRecentUse();
    for (const [id, part] of parts) {
      const queue = this.tree.indexOf.get(id);
      if (queue !== undefined) this.tree.setRecentUse(queue, part);
    }
    this.shape = withRecentUse(this.shape, parts);
  }

  setLive(live: ReadonlyMap<string, NodeLive>): void {
    this.shape = withLive(this.shape, live);
    this.state.setLive(live);
    this.placer.classes.retie();
  }

  isLeaving(workload: Workload): boolean {
    return workload.leaving === true || this.#doomed.has(workload.id);
  }

  /** Leaves or changes its size already: not to be touched again. */
  isMoving(workload: Workload): boolean {
    return workload.resizingTo !== undefined || this.isLeaving(workload);
  }

  doom(id: string): void {
    this.#doomed.add(id);
  }

  /** Those whose eviction or shrinking was ordered before this cycle, and what stays of them, in a fixed order. */
  departures(): { id: string; stays: Placed | null }[] {
    return [
      ...[...this.#leaving].map((id) => ({ id, stays: null })),
      ...[...this.#resizing].map(([id, stays]) => ({ id, stays })),
    ].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** What a workload holds once this change of size is carried out. */
  afterwards({ workloadId, members }: Resize): Placed {
    const placed = this.statement.running.get(workloadId)!;
    return staying(this.workloads.get(workloadId)!, placed, members, this.state);
  }

  #ask(workload: Workload): void {
    const queue = this.tree.indexOf.get(workload.queueId);
    if (queue === undefined) {
      this.strays.set(workload.id, workload);
      return;
    }
    const asked: Asked = { workload, shape: this.#shapes.of(workload), gone: false };
    this.#asked.set(workload.id, asked);
    if (workload.kept !== undefined) this.keeping.set(workload.id, asked);
    this.lanes.add(queue, workload.queueId, asked);
    if (workload.held === undefined) this.#addDemand(queue, asked.shape.amounts, 1);
  }

  /** Charges a running workload. Members on nodes that are gone hold nothing. */
  #load(workload: Workload): void {
    if (workload.leaving === true) this.#leaving.add(workload.id);
    const queue = this.tree.indexOf.get(workload.queueId);
    if (queue === undefined) return;
    const target = workload.resizingTo;
    const allocation = workload.allocation ?? [];
    const placed = this.#take(
      workload,
      queue,
      target === undefined ? allocation : [...allocation, ...joining(allocation, target)],
    );
    this.statement.place(placed);
    this.#addDemand(queue, placed.amounts, 1);
    if (isElastic(workload)) this.elastic.set(workload.id, workload);
    if (workload.preemptible || workload.leaving === true || isElastic(workload))
      this.yielding.set(workload.id, workload);
    if (target !== undefined) this.#resizing.set(workload.id, staying(workload, placed, target, this.state));
  }

  #take(workload: Workload, queue: number, allocation: readonly AllocationMember[]): Placed {
    const amounts = new Float64Array(RESOURCES);
    const members: PlacedMember[] = [];
    for (const member of allocation) {
      const node = this.state.nodeIndex.get(member.nodeId);
      const group = workload.taskGroups.find((candidate) => candidate.name === member.group);
      if (node === undefined || group === undefined) continue;
      const request = toClassRequest(group.request, workload);
      const start = this.state.deviceStart[node]!;
      const devices = member.deviceIds
        .map((id) => this.state.nodes[node]!.devices.findIndex((device) => device.id === id))
        .filter((offset) => offset !== -1)
        .map((offset) => start + offset);
      const { cpuMilli, memoryBytes, storageBytes } = request;
      const placed: PlacedMember = {
        group: group.name,
        index: member.index,
        node,
        devices,
        ...deviceTake(this.state, request, devices[0]),
        cpuMilli,
        memoryBytes,
        storageBytes,
      };
      this.statement.take(placed);
      members.push(placed);
      const one = memberAmounts(request);
      for (let resource = 0; resource < RESOURCES; resource++) amounts[resource]! += one[resource]!;
    }
    return { workloadId: workload.id, queue, amounts, members };
  }

  #addDemand(queue: number, amounts: Amounts, sign: 1 | -1): void {
    for (let resource = 0; resource < RESOURCES; resource++) {
      const at = queue * RESOURCES + resource;
      this.#demand[at] = exact(resource, this.#demand[at]! + sign * amounts[resource]!);
    }
  }

  /** Books members already taken by the placer. */
  book(workload: Workload, members: PlacedMember[]): Placed {
    const amounts = new Float64Array(RESOURCES);
    for (const member of members) {
      const shared =
        member.devices.length === 1 && member.milli < this.state.milliCapacity[member.devices[0]!]!;
      amounts[0]! += shared ? member.milli / 1000 : member.devices.length;
      amounts[1]! += member.cpuMilli;
      amounts[2]! += member.memoryBytes;
      amounts[3]! += member.storageBytes;
    }
    const placed = {
      workloadId: workload.id,
      queue: this.tree.indexOf.get(workload.queueId)!,
      amounts,
      members,
    };
    this.statement.place(placed);
    return placed;
  }

  toAllocation(members: readonly PlacedMember[]): AllocationMember[] {
    return members.map((member) => toAllocationMember(member, this.state));
  }
}

function toAllocationMember(
  { group, index, node, devices }: PlacedMember,
  state: ClusterState,
): AllocationMember {
  const { id, devices: states } = state.nodes[node]!;
  const start = state.deviceStart[node]!;
  return { group, index, nodeId: id, deviceIds: devices.map((device) => states[device - start]!.id) };
}

/** What is left of a workload once its change of size is carried out. */
function staying(
  workload: Workload,
  placed: Placed,
  target: readonly AllocationMember[],
  state: ClusterState,
): Placed {
  const held = placed.members.map((member) => toAllocationMember(member, state));
  const going = new Set(joining(target, held));
  return withMembers(
    workload,
    placed,
    placed.members.filter((_, at) => !going.has(held[at]!)),
  );
}

function totalOf(state: ClusterState): Amounts {
  const total = new Float64Array(RESOURCES);
  for (const [index, node] of state.nodes.entries()) {
    if (state.schedulable[index] === 0) continue;
    total[0]! += node.devices.reduce(
      (sum, device) => sum + (device.healthy ? device.milliCapacity / 1000 : 0),
      0,
    );
    total[1]! += node.capacity.cpuMilli;
    total[2]! += node.capacity.memoryBytes;
    total[3]! += node.capacity.storageBytes;
  }
  return total;
}
