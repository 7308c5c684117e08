/**
 * What the planner is told: one picture of the cluster, the queue tree and every live workload.
 * Plain data, no clock (`nowMs` travels inside) and no identifiers of other rooms, so that a
 * snapshot can be written down and planned again with the same outcome.
 */

/** The four things a queue can own a share of. `devices` may be a fraction (shared devices). */
export interface ResourceVector {
  devices: number;
  cpuMilli: number;
  memoryBytes: number;
  storageBytes: number;
}

export type ResourceName = keyof ResourceVector;
export const RESOURCE_NAMES: readonly ResourceName[] = ['devices', 'cpuMilli', 'memoryBytes', 'storageBytes'];

export interface Taint {
  key: string;
  value?: string;
  effect: 'NoSchedule' | 'NoExecute';
}

/** A toleration without `value` accepts any value of the key. */
export interface Toleration {
  key: string;
  value?: string;
}

export interface DeviceState {
  id: string;
  model: string;
  memoryBytes: number;
  /** 1000 for a whole device. */
  milliCapacity: number;
  /** Devices of one node with the same island talk over the fast link. */
  island?: string;
  /** The socket (NUMA node) that it hangs on. */
  numa?: string;
  /** A slice of a device, like `1g.10gb`: taken only by who asks for this profile. */
  profile?: string;
  healthy: boolean;
}

/** What a node tells of itself from time to time; decides ties only (tie-order.ts). */
export interface NodeLive {
  /** What lies there already, by the keys of `Workload.data`. */
  cached?: readonly string[];
  /** Parts of the whole, 0..1. */
  load?: number;
  diskFree?: number;
  networkFree?: number;
}

/** Data or weights that a workload reads: a digest or an address, the same on every node. */
export interface DataNeed {
  key: string;
  bytes: number;
}

/** What a workload and its like were measured to do. */
export interface Speed {
  /** Work a second (any unit, above nought) of so many members together on devices of one model. */
  runs: readonly { model: string; members: number; perSecond: number }[];
  /** Work still to be done, in the same unit. */
  left?: number;
  /** Where the batch grows with the gang: the noise scale of the gradient and the batch of one member, in samples. */
  noise?: { scale: number; batchPerMember: number };
}

export interface NodeState {
  id: string;
  /** The last tie between equal nodes goes to the smallest name. */
  name: string;
  labels: Record<string, string>;
  taints: Taint[];
  /** Domains from the widest to the narrowest, parallel to `Snapshot.topologyLevels`. */
  topologyPath: string[];
  cordoned: boolean;
  healthy: boolean;
  capacity: { cpuMilli: number; memoryBytes: number; storageBytes: number };
  devices: DeviceState[];
  live?: NodeLive;
}

/** So many devices a queue is expected to use in all at that time. */
export interface ExpectedPeak {
  devices: number;
  fromMs: number;
  untilMs: number;
}

/** So many devices on each of so many nodes, to be had together. */
export interface QueueShape {
  nodes: number;
  devices: number;
}

export interface QueueNode {
  id: string;
  /** null for a root. */
  parentId: string | null;
  name: string;
  /** What the queue gets back whenever it asks (missing = 0). */
  deserved?: Partial<ResourceVector>;
  /** What it may never exceed (missing = no limit). */
  limit?: Partial<ResourceVector>;
  /** So much beyond what it deserves it may have at most (missing = no bound but the limit). */
  borrowing?: Partial<ResourceVector>;
  /** So much of what it deserves others may have while it does not ask (missing = all). */
  lending?: Partial<ResourceVector>;
  /** In what form it gets back what it deserves (missing = wherever devices are free). */
  shape?: QueueShape;
  /** What it used lately, decayed, as a part of all devices (1 = all of them for ever). */
  recentUse?: number;
  /** What others may not have when they would still hold it then (ahead/peak-book.ts). */
  expected?: readonly ExpectedPeak[];
  /** Its part of what nobody deserves (missing = 1). */
  weight?: Partial<ResourceVector>;
  priority?: number;
  policy?: string;
  /** A running workload younger than this is not evicted (ms, missing = 0). */
  minRuntimeMs?: number;
}

export interface GroupRequest {
  cpuMilli: number;
  memoryBytes: number;
  storageBytes: number;
  /** Whole devices per member. */
  devices: number;
  /** Share of one device, 1..999; 0 when whole devices (or none) are asked. */
  deviceMilli: number;
  deviceModel?: string;
  /** Slices of this profile instead of whole devices. */
  deviceProfile?: string;
  /** Whole devices: the smallest memory accepted. Shares: the memory taken on the device. */
  deviceMemoryBytes?: number;
}

export interface TaskGroup {
  name: string;
  count: number;
  /** The gang starts with at least this many (usually = count); below count the group is elastic. */
  minCount: number;
  request: GroupRequest;
}

export interface TopologyWish {
  mode: 'required' | 'preferred';
  /** A name of `Snapshot.topologyLevels`, or `host`. */
  level: string;
}

/** Members of a group in runs of `size`, each run inside one domain of the level; the last may be shorter. */
export interface SliceWish {
  size: number;
  /** A name of `Snapshot.topologyLevels`, `host`, or `island`: devices of one node on the same fast link. */
  level: string;
}

export interface AllocationMember {
  group: string;
  index: number;
  nodeId: string;
  deviceIds: string[];
}

export interface Workload {
  id: string;
  queueId: string;
  tenantId: string;
  priority: number;
  createdAtMs: number;
  preemptible: boolean;
  taskGroups: TaskGroup[];
  state: 'pending' | 'running';
  topology?: TopologyWish;
  /** Which members must sit together, wherever the whole gang may be. */
  slices?: SliceWish;
  nodeSelector?: Readonly<Record<string, string>>;
  /** Those labels of `nodeSelector` that are not its owner's to leave out: its queue's pool, operators' rules. */
  bound?: Readonly<Record<string, string>>;
  tolerations?: Toleration[];
  data?: readonly DataNeed[];
  /** Of a running workload: where it is. */
  allocation?: AllocationMember[];
  /** Its eviction was ordered; it still holds its place until it is gone. */
  leaving?: boolean;
  /**
   * Its change of size was ordered: it still holds all of its allocation, and from then on these
   * (`Resize.members`). Until it has restarted with them it is neither evicted nor resized again.
   */
  resizingTo?: AllocationMember[];
  /** Not to be started now (suspended by its owner, backing off …). */
  held?: string;
  /** Half of its like were done by then (learned; never what its owner says alone). */
  runtimeEstimateMs?: number;
  /** Nine of ten of its like were done by then. */
  runtimeMostMs?: number;
  timeLimitMs?: number;
  startedAtMs?: number;
  lastCheckpointAtMs?: number;
  restartCostMs?: number;
  /** How long it ran in earlier attempts, and what it used of devices then. */
  ranForMs?: number;
  attainedDeviceSeconds?: number;
  /** How long it ran in earlier attempts, by device model. */
  ranOnMs?: Readonly<Record<string, number>>;
  /** The device model it runs on now. */
  runsOn?: string;
  speed?: Speed;
  /** When it should be done (the `deadline` policy). */
  deadlineMs?: number;
  /** What operators' rules may ask about. */
  labels?: { readonly user?: string; readonly name?: string };
  /** As submitted, where a rule changed it. */
  asked?: Pick<Workload, 'priority' | 'preemptible' | 'nodeSelector' | 'bound'>;
  /**
   * Nodes kept for it, and it goes before all others: it lost one of them (`wounded`), or others were
   * evicted from them for it (`claimed`).
   */
  kept?: { why: 'wounded' | 'claimed'; nodeIds: readonly string[]; untilMs: number };
  /** How often it was evicted so far; often-evicted workloads are spared. */
  preemptions?: number;
}

export interface Snapshot {
  nowMs: number;
  nodes: NodeState[];
  queues: QueueNode[];
  workloads: Workload[];
  /** Names of the topology levels, widest first. Default: block, rack. */
  topologyLevels?: string[];
}

export const DEFAULT_TOPOLOGY_LEVELS: readonly string[] = ['block', 'rack'];

/** A snapshot that contradicts itself: nothing is planned from it. */
export class SnapshotError extends Error {
  readonly code: string;
  readonly hint: string;
  constructor(code: string, message: string, hint: string) {
    super(message);
    this.name = 'SnapshotError';
    this.code = code;
    this.hint = hint;
  }
}
