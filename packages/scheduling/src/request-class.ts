/**
 * Requests that ask for the same thing form one class and share one verdict per node. A class
 * keeps the nodes it fits in a heap by score; a node that changed is scored again when the class
 * is next asked, so the best node costs O(log n) instead of a scan.
 */
import type { ClusterState } from './cluster-state.ts';
import {
  acceptsDevice,
  type ClassRequest,
  matchesSelector,
  shareMemoryBytes,
  toleratesAll,
} from './class-request.ts';
import type { NodeKinds } from './node-kinds.ts';
import type { Scorer } from './scorers.ts';
import type { NodeState } from './snapshot.ts';

const NOTHING_SCORED = new Float64Array(0);
const NOTHING_SEEN = new Int32Array(0);

export class RequestClass {
  readonly request: ClassRequest;
  readonly #state: ClusterState;
  readonly #scorer: Scorer;
  readonly #tieRank: Int32Array | null;
  /** The node may run the class at all (labels, taints, model, health). */
  readonly eligible: Uint8Array;
  /** Made when a node first fits: most classes that nothing fits are asked about once. */
  #score: Float64Array = NOTHING_SCORED;
  #seen: Int32Array = NOTHING_SEEN;
  #heapScore: number[] = [];
  #heapNode: number[] = [];
  #syncedAt = 0;
  #generation = -1;

  /** `kinds`: where many classes are made, one look a kind of node does for all of it. */
  constructor(
    state: ClusterState,
    request: ClassRequest,
    scorer: Scorer,
    tieRank: Int32Array | null = null,
    kinds: NodeKinds | null = null,
  ) {
    this.#state = state;
    this.request = request;
    this.#scorer = scorer;
    this.#tieRank = tieRank;
    this.eligible = new Uint8Array(state.nodes.length);
    if (kinds !== null) {
      const eligible = Uint8Array.from(kinds.firsts, (node) => (isEligible(node, request, false) ? 1 : 0));
      for (let node = 0; node < this.eligible.length; node++)
        this.eligible[node] = state.schedulable[node]! & eligible[kinds.kindOf[node]!]!;
      return;
    }
    for (const [index, node] of state.nodes.entries())
      if (state.schedulable[index] === 1 && isEligible(node, request, state.uniform[index] === 1))
        this.eligible[index] = 1;
  }

  /** Room for one member right now? */
  fits(node: number): boolean {
    const state = this.#state;
    const request = this.request;
    if (this.eligible[node] === 0) return false;
    if (
      state.freeCpu[node]! < request.cpuMilli ||
      state.freeMemory[node]! < request.memoryBytes ||
      state.freeStorage[node]! < request.storageBytes
    )
      return false;
    if (request.devices > 0) return this.wholeDevices(node) >= request.devices;
    if (request.milli > 0) return this.#hasShare(node);
    return true;
  }

  /** Free whole devices of the node that the class accepts. */
  wholeDevices(node: number): number {
    const state = this.#state;
    if (state.uniform[node] === 1) return state.wholeFree[node]!;
    let count = 0;
    for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++)
      if (this.isWholeFree(node, device)) count++;
    return count;
  }

  isWholeFree(node: number, device: number): boolean {
    const state = this.#state;
    if (state.deviceOk[device] === 0 || state.freeMilli[device] !== state.milliCapacity[device]) return false;
    return (
      state.uniform[node] === 1 ||
      acceptsDevice(this.request, state.nodes[node]!.devices[device - state.deviceStart[node]!]!)
    );
  }

  takesShareOf(node: number, device: number): boolean {
    const state = this.#state;
    if (state.deviceOk[device] === 0 || state.freeMilli[device]! < this.request.milli) return false;
    if (shareMemoryBytes(state, this.request, device) > state.freeDeviceMemory[device]!) return false;
    return (
      state.uniform[node] === 1 ||
      acceptsDevice(this.request, state.nodes[node]!.devices[device - state.deviceStart[node]!]!)
    );
  }

  #hasShare(node: number): boolean {
    const state = this.#state;
    for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++)
      if (this.takesShareOf(node, device)) return true;
    return false;
  }

  /** How many members fit on the node side by side. */
  fitCount(node: number): number {
    if (!this.fits(node)) return 0;
    const state = this.#state;
    const request = this.request;
    let count = Infinity;
    if (request.cpuMilli > 0) count = Math.min(count, Math.floor(state.freeCpu[node]! / request.cpuMilli));
    if (request.memoryBytes > 0)
      count = Math.min(count, Math.floor(state.freeMemory[node]! / request.memoryBytes));
    if (request.storageBytes > 0)
      count = Math.min(count, Math.floor(state.freeStorage[node]! / request.storageBytes));
    if (request.devices > 0) count = Math.min(count, Math.floor(this.wholeDevices(node) / request.devices));
    if (request.milli > 0) {
      let shares = 0;
      for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++) {
        if (this.takesShareOf(node, device)) shares += Math.floor(state.freeMilli[device]! / request.milli);
      }
      count = Math.min(count, shares);
    }
    return count;
  }

  /** The best node now (highest score, then tie order), or null. `skip` nodes are passed over. */
  best(skip: Uint8Array | null = null): number | null {
    this.#sync();
    const aside: number[] = [];
    let found: number | null = null;
    while (this.#heapNode.length > 0) {
      const node = this.#heapNode[0]!;
      if (this.#heapScore[0] !== this.#score[node]) this.#pop();
      else if (skip !== null && skip[node] === 1) {
        aside.push(node);
        this.#pop();
      } else {
        found = node;
        break;
      }
    }
    for (const node of aside) this.#push(this.#score[node]!, node);
    return found;
  }

  #fitsAnywhere(): boolean {
    for (let node = 0; node < this.eligible.length; node++) if (this.fits(node)) return true;
    return false;
  }

  #rescore(node: number): void {
    const version = this.#state.version[node]!;
    if (this.#seen[node] === version) return;
    this.#seen[node] = version;
    const score = this.fits(node) ? this.#scorer.score(this.#state, this, node) : Number.NEGATIVE_INFINITY;
    if (score === this.#score[node]) return;
    this.#score[node] = score;
    if (score !== Number.NEGATIVE_INFINITY) this.#push(score, node);
  }

  #sync(): void {
    const state = this.#state;
    const size = state.nodes.length;
    if (this.#score === NOTHING_SCORED) {
      if (!this.#fitsAnywhere()) return;
      this.#score = new Float64Array(size);
      this.#seen = new Int32Array(size);
    }
    if (this.#generation !== state.generation || this.#heapNode.length > 8 * size + 64) {
      this.#heapNode = [];
      this.#heapScore = [];
      this.#score.fill(Number.NEGATIVE_INFINITY);
      this.#seen.fill(-1);
      this.#generation = state.generation;
      for (let node = 0; node < size; node++) this.#rescore(node);
    } else if (state.touched.length - this.#syncedAt > size) {
      for (let node = 0; node < size; node++) this.#rescore(node);
    } else {
      for (let at = this.#syncedAt; at < state.touched.length; at++) this.#rescore(state.touched[at]!);
    }
    this.#syncedAt = state.touched.length;
  }

  /** Of equals the smaller goes first. */
  tieOf(node: number): number {
    return this.#tieRank === null ? node : this.#tieRank[node]!;
  }

  #before(scoreA: number, nodeA: number, scoreB: number, nodeB: number): boolean {
    if (scoreA !== scoreB) return scoreA > scoreB;
    return this.tieOf(nodeA) < this.tieOf(nodeB);
  }

  #push(score: number, node: number): void {
    const scores = this.#heapScore;
    const nodes = this.#heapNode;
    let at = nodes.length;
    scores.push(score);
    nodes.push(node);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(score, node, scores[parent]!, nodes[parent]!)) break;
      scores[at] = scores[parent]!;
      nodes[at] = nodes[parent]!;
      at = parent;
    }
    scores[at] = score;
    nodes[at] = node;
  }

  #pop(): void {
    const scores = this.#heapScore;
    const nodes = this.#heapNode;
    const score = scores.pop()!;
    const node = nodes.pop()!;
    const size = nodes.length;
    if (size === 0) return;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (
        child + 1 < size &&
        this.#before(scores[child + 1]!, nodes[child + 1]!, scores[child]!, nodes[child]!)
      )
        child++;
      if (!this.#before(scores[child]!, nodes[child]!, score, node)) break;
      scores[at] = scores[child]!;
      nodes[at] = nodes[child]!;
      at = child;
    }
    scores[at] = score;
    nodes[at] = node;
  }
}

function isEligible(node: NodeState, request: ClassRequest, isUniform: boolean): boolean {
  if (!matchesSelector(node, request.selector) || !toleratesAll(node, request.tolerations)) return false;
  if (request.devices === 0 && request.milli === 0) return true;
  const first = node.devices[0];
  if (isUniform) return first !== undefined && acceptsDevice(request, first);
  return node.devices.some((device) => acceptsDevice(request, device));
}
