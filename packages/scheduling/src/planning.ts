/** A snapshot brought into working form: columns of free capacity, the queue tree, who holds what. */
import { ClusterState } from './cluster-state.ts';
import { deviceTake, gangAmounts, memberAmounts, Placer } from './placement.ts';
import { QueueTree, RESOURCES } from './queue-tree.ts';
import { toClassRequest } from './request-class.ts';
import { createShadowPrice, type Scorer } from './scorers.ts';
import { RESOURCE_NAMES, type Snapshot, SnapshotError, type Workload } from './snapshot.ts';
import { type Placed, type PlacedMember, Statement } from './statement.ts';

export class Planning {
  readonly snapshot: Snapshot;
  readonly state: ClusterState;
  readonly tree: QueueTree;
  readonly statement: Statement;
  readonly placer: Placer;
  readonly workloads: Map<string, Workload>;

  constructor(snapshot: Snapshot, scorer: Scorer = createShadowPrice(), tieRank: Int32Array | null = null) {
    this.snapshot = snapshot;
    this.state = new ClusterState(snapshot.nodes);
    this.tree = new QueueTree(snapshot.queues);
    this.statement = new Statement(this.state, this.tree);
    this.placer = new Placer(this.state, this.statement, scorer, {
      levels: snapshot.topologyLevels,
      tieRank,
    });
    this.workloads = new Map(snapshot.workloads.map((workload) => [workload.id, workload]));
    for (const workload of snapshot.workloads) {
      checkWorkload(workload);
      if (workload.state === 'running') this.#load(workload);
    }
    this.statement.commit();
    this.#divideShares();
  }

  /** Charges a running workload. Members on nodes that are gone hold nothing. */
  #load(workload: Workload): void {
    const queue = this.tree.indexOf.get(workload.queueId);
    if (queue === undefined) return;
    const amounts = new Float64Array(RESOURCES);
    const members: PlacedMember[] = [];
    for (const member of workload.allocation ?? []) {
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
    this.statement.place({ workloadId: workload.id, queue, amounts, members });
  }

  #divideShares(): void {
    const total = new Float64Array(RESOURCES);
    for (const [index, node] of this.state.nodes.entries()) {
      if (this.state.schedulable[index] === 0) continue;
      total[0]! += node.devices.reduce(
        (sum, device) => sum + (device.healthy ? device.milliCapacity / 1000 : 0),
        0,
      );
      total[1]! += node.capacity.cpuMilli;
      total[2]! += node.capacity.memoryBytes;
      total[3]! += node.capacity.storageBytes;
    }
    const demand = new Float64Array(this.tree.queues.length * RESOURCES);
    const add = (queue: number, amounts: Float64Array): void => {
      for (let resource = 0; resource < RESOURCES; resource++)
        demand[queue * RESOURCES + resource]! += amounts[resource]!;
    };
    for (const placed of this.statement.running.values()) add(placed.queue, placed.amounts);
    for (const workload of this.snapshot.workloads) {
      const queue = this.tree.indexOf.get(workload.queueId);
      if (workload.state === 'pending' && workload.held === undefined && queue !== undefined)
        add(queue, gangAmounts(workload));
    }
    this.tree.divide(total, demand);
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

  toAllocation(
    members: readonly PlacedMember[],
  ): { group: string; index: number; nodeId: string; deviceIds: string[] }[] {
    return members.map(({ group, index, node, devices }) => {
      const state = this.state.nodes[node]!;
      const start = this.state.deviceStart[node]!;
      return {
        group,
        index,
        nodeId: state.id,
        deviceIds: devices.map((device) => state.devices[device - start]!.id),
      };
    });
  }
}

function checkWorkload(workload: Workload): void {
  for (const group of workload.taskGroups) {
    const { request } = group;
    const { cpuMilli, memoryBytes, storageBytes, devices, deviceMilli } = request;
    const sound =
      group.minCount >= 0 &&
      group.minCount <= group.count &&
      cpuMilli >= 0 &&
      memoryBytes >= 0 &&
      storageBytes >= 0 &&
      devices >= 0 &&
      deviceMilli >= 0;
    if (!sound) {
      throw new SnapshotError(
        'workload_invalid',
        `Workload ${workload.id} asks for impossible numbers in group "${group.name}".`,
        `Counts and ${RESOURCE_NAMES.join(', ')} must be zero or more, and minCount at most count.`,
      );
    }
  }
}
