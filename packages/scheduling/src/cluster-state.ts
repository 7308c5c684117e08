/**
 * Free capacity as columns: one number per node or device, nodes sorted by name so that an index
 * is also the tie order. Every change bumps the node's version and is logged in `touched`, from
 * which request classes bring their cached scores up to date.
 */
import type { NodeLive, NodeState } from './snapshot.ts';

/** When the log gets this long it starts anew and every class rescans once. */
const TOUCHED_LIMIT = 2_000_000;

export class ClusterState {
  readonly nodes: readonly NodeState[];
  readonly nodeIndex: ReadonlyMap<string, number>;
  readonly schedulable: Uint8Array;
  readonly freeCpu: Float64Array;
  readonly freeMemory: Float64Array;
  readonly freeStorage: Float64Array;
  /** Healthy devices nobody uses any part of. */
  readonly wholeFree: Int32Array;
  /** Sum over healthy devices. */
  readonly freeMilliTotal: Int32Array;
  /** Devices of node n: deviceStart[n] .. deviceStart[n + 1]. */
  readonly deviceStart: Int32Array;
  readonly deviceNode: Int32Array;
  readonly freeMilli: Int32Array;
  readonly milliCapacity: Int32Array;
  readonly freeDeviceMemory: Float64Array;
  readonly deviceMemory: Float64Array;
  readonly deviceOk: Uint8Array;
  /** Of the node that has most. */
  readonly mostDevices: number;
  /** All devices of the node have the same model, profile and memory: one look suffices. */
  readonly uniform: Uint8Array;
  readonly version: Int32Array;
  /** What nodes told last of themselves, and everything that lies on any of them. */
  live: readonly (NodeLive | null)[] = [];
  cached: ReadonlySet<string> = new Set();
  touched: number[] = [];
  generation = 0;
  /** Grows whenever capacity comes back: an old "does not fit" verdict is stale then. */
  frees = 0;

  constructor(nodes: readonly NodeState[]) {
    const sorted = [...nodes].sort((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1,
    );
    this.nodes = sorted;
    this.nodeIndex = new Map(sorted.map((node, index) => [node.id, index]));
    const size = sorted.length;
    const devices = sorted.reduce((sum, node) => sum + node.devices.length, 0);
    this.schedulable = Uint8Array.from(sorted, (node) => (node.healthy && !node.cordoned ? 1 : 0));
    this.freeCpu = Float64Array.from(sorted, (node) => node.capacity.cpuMilli);
    this.freeMemory = Float64Array.from(sorted, (node) => node.capacity.memoryBytes);
    this.freeStorage = Float64Array.from(sorted, (node) => node.capacity.storageBytes);
    this.wholeFree = new Int32Array(size);
    this.freeMilliTotal = new Int32Array(size);
    this.deviceStart = new Int32Array(size + 1);
    this.uniform = new Uint8Array(size);
    this.version = new Int32Array(size);
    this.deviceNode = new Int32Array(devices);
    this.freeMilli = new Int32Array(devices);
    this.milliCapacity = new Int32Array(devices);
    this.freeDeviceMemory = new Float64Array(devices);
    this.deviceMemory = new Float64Array(devices);
    this.deviceOk = new Uint8Array(devices);
    let at = 0;
    for (const [index, node] of sorted.entries()) {
      this.deviceStart[index] = at;
      const first = node.devices[0];
      let same = true;
      for (const device of node.devices) {
        same &&=
          device.model === first!.model &&
          device.memoryBytes === first!.memoryBytes &&
          device.profile === first!.profile;
        this.deviceNode[at] = index;
        this.deviceOk[at] = device.healthy ? 1 : 0;
        this.milliCapacity[at] = device.milliCapacity;
        this.freeMilli[at] = device.milliCapacity;
        this.freeDeviceMemory[at] = device.memoryBytes;
        this.deviceMemory[at] = device.memoryBytes;
        if (device.healthy) {
          this.wholeFree[index]!++;
          this.freeMilliTotal[index]! += device.milliCapacity;
        }
        at++;
      }
      this.uniform[index] = same ? 1 : 0;
    }
    this.deviceStart[size] = at;
    this.mostDevices = sorted.reduce((most, node) => Math.max(most, node.devices.length), 0);
    this.setLive(new Map(sorted.flatMap(({ id, live }) => (live === undefined ? [] : [[id, live]]))));
  }

  setLive(live: ReadonlyMap<string, NodeLive>): void {
    this.live = this.nodes.map(({ id }) => live.get(id) ?? null);
    this.cached = new Set(this.live.flatMap((node) => node?.cached ?? []));
  }

  touch(node: number): void {
    this.version[node]!++;
    if (this.touched.length >= TOUCHED_LIMIT) {
      this.touched = [];
      this.generation++;
    }
    this.touched.push(node);
  }

  /** Free values only (not versions): equal strings mean an identical state. */
  fingerprint(): string {
    return [
      this.freeCpu,
      this.freeMemory,
      this.freeStorage,
      this.wholeFree,
      this.freeMilliTotal,
      this.freeMilli,
      this.freeDeviceMemory,
    ]
      .map((column) => column.join(','))
      .join(';');
  }
}
