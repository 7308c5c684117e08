/** Some ranks of a mesh and their collectives. All members call the same ones, with the same lengths, in the same order. */
import {
  allReduceAlgorithms,
  chooseAllReduce,
  directAllToAll,
  ringAllGather,
  ringBroadcast,
  ringReduceScatter,
  type AllReduceAlgorithm,
} from './collectives.ts';
import { mostSummed, type Arena, type ArenaRegion } from '../memory/index.ts';
import type { Timeline } from '../profile/index.ts';
import type { Frame } from './frame-reader.ts';
import { Mesh } from './mesh.ts';
import type { PeerLink } from './peer-link.ts';
import { RankLostError } from './rank-lost-error.ts';
import type { Transport } from './transport.ts';
import type { Part, SharedWire, Wire } from './wire.ts';

export interface GroupOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly transport: Transport;
  /** How long a peer may take to appear. */
  readonly joinTimeoutMs?: number;
  /** How long a peer may stay silent inside a collective. */
  readonly timeoutMs?: number;
  /** Where its arena lies; else in a memory of its own. */
  readonly region?: ArenaRegion;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Chosen by size unless given. */
  readonly algorithm?: AllReduceAlgorithm;
}

export interface ProcessGroup {
  /** Place in the group and number of members. */
  readonly index: number;
  readonly size: number;
  /** Elements sent so far, for formulas to be held against. */
  readonly sentElements: number;
  /** Adds up `values` over all members, in place. */
  allReduceSum(values: Float32Array, options?: CallOptions): Promise<void>;
  /** `parts[i]` ends, summed, at member i; the rest of `values` holds partial sums afterwards. */
  reduceScatterSum(values: Float32Array, parts: readonly Part[]): Promise<void>;
  /** Member i has `parts[i]`; afterwards all have all. */
  allGather(values: Float32Array, parts: readonly Part[]): Promise<void>;
  broadcast(values: Float32Array, root: number): Promise<void>;
  allToAll(out: readonly Float32Array[], into: readonly Float32Array[]): Promise<void>;
  /** Resolves when the values have left and may be changed. */
  send(to: number, values: Float32Array): Promise<void>;
  receive(from: number, into: Float32Array): Promise<void>;
  /** Nobody passes before all have come. */
  barrier(timeoutMs?: number): Promise<void>;
}

export interface World extends ProcessGroup, AsyncDisposable {
  /** Buffers from here are summed by kernels. */
  readonly arena: Arena;
  /** Books the time of its collectives, and of whatever else the rank tells it. */
  readonly timeline: Timeline;
  /** The members' ranks in order; `channel` is theirs alone. A rank that is no member may ask too. */
  subgroup(members: readonly number[], channel: number): ProcessGroup;
  /** Where a rank is reached; undefined where ranks share a machine. */
  hostOf(rank: number): string | undefined;
  /** A member is as good as gone: every collective ends, here and at the others. */
  lose(rank: number, message: string): void;
  /** Tells the others why this rank leaves, so that they name it and exit alike. */
  abort(exitCode: number, message: string): Promise<void>;
}

export async function joinWorld(options: GroupOptions): Promise<World> {
  const mesh = await Mesh.join(options);
  const { rank, worldSize, timeoutMs = 60_000 } = options;
  const everybody = Array.from({ length: worldSize }, (_, member) => member);
  const group = new MeshGroup(mesh, everybody, 0, timeoutMs);
  return Object.assign(group, {
    arena: mesh.arena,
    timeline: mesh.timeline,
    subgroup: (members: readonly number[], channel: number) =>
      new MeshGroup(mesh, members, channel, timeoutMs),
    hostOf: (of: number) => mesh.hostOf(of),
    lose: (lost: number, message: string) => mesh.link(lost).fail(new RankLostError(lost, message)),
    abort: (exitCode: number, message: string) => mesh.abort({ rank, exitCode, message }),
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  });
}

class MeshGroup implements ProcessGroup {
  readonly index: number;
  readonly size: number;
  sentElements = 0;
  readonly #mesh: Mesh;
  readonly #members: readonly number[];
  readonly #channel: number;
  readonly #timeoutMs: number;
  readonly #sent: number[];
  readonly #received: number[];

  constructor(mesh: Mesh, members: readonly number[], channel: number, timeoutMs: number) {
    this.#mesh = mesh;
    this.#members = members;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
    this.index = Math.max(0, members.indexOf(mesh.rank));
    this.size = Math.max(1, members.length);
    this.#sent = members.map(() => 0);
    this.#received = members.map(() => 0);
  }

  async allReduceSum(values: Float32Array, options: CallOptions = {}): Promise<void> {
    if (this.size === 1) return;
    const algorithm = options.algorithm ?? chooseAllReduce(values.length, this.size, this.#mesh.isShared);
    await this.#timed('all-reduce', () =>
      allReduceAlgorithms[algorithm](this.#enter(options.timeoutMs), values),
    );
  }

  async reduceScatterSum(values: Float32Array, parts: readonly Part[]): Promise<void> {
    if (this.size === 1) return;
    await this.#timed('reduce-scatter', () => ringReduceScatter(this.#enter(), values, parts));
  }

  async allGather(values: Float32Array, parts: readonly Part[]): Promise<void> {
    if (this.size === 1) return;
    await this.#timed('all-gather', () => ringAllGather(this.#enter(), values, parts));
  }

  async broadcast(values: Float32Array, root: number): Promise<void> {
    if (this.size === 1) return;
    await this.#timed('broadcast', () => ringBroadcast(this.#enter(), values, root));
  }

  async allToAll(out: readonly Float32Array[], into: readonly Float32Array[]): Promise<void> {
    await this.#timed('all-to-all', () => directAllToAll(this.#enter(), out, into));
  }

  async send(to: number, values: Float32Array): Promise<void> {
    await this.#wire(this.#timeoutMs, true).send(to, values);
  }

  async receive(from: number, into: Float32Array): Promise<void> {
    const wire = this.#wire(this.#timeoutMs);
    const received = await this.#timed('receive', () => wire.receive(from, into.length));
    wire.copy(into, received, 0);
    wire.recycle(from, received);
  }

  async barrier(timeoutMs = this.#timeoutMs): Promise<void> {
    await this.allReduceSum(new Float32Array(1), { timeoutMs });
  }

  #timed<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
    return this.#mesh.timeline.during('communicate', name, run);
  }

  #enter(timeoutMs = this.#timeoutMs): Wire {
    this.#mesh.enter(this.#channel);
    return this.#wire(timeoutMs);
  }

  /** `isKept`: what is sent does not wait for the other, so two may send to each other first. */
  #wire(timeoutMs: number, isKept = false): Wire {
    const { arena } = this.#mesh;
    const linkTo = (place: number) => this.#mesh.link(this.#members[place] as number);
    const send = (to: number, values: Float32Array, counted: number): Promise<void> => {
      const number = this.#sent[to] as number;
      this.#sent[to] = number + 1;
      this.sentElements += counted;
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return linkTo(to).send('data', this.#channel, number, bytes, isKept);
    };
    const arrived = async (link: PeerLink, number: number, length: number): Promise<Frame> => {
      const frame = await link.receive(this.#channel, timeoutMs, () =>
        this.#mesh.findMissing(this.#channel, this.#members, link.peer, timeoutMs),
      );
      const { header } = frame;
      if (header.number === number && header.byteLength === length * 4) return frame;
      const what =
        header.number === number
          ? `sent ${header.byteLength} bytes where ${length * 4} belong`
          : `is at message ${header.number}, this rank at ${number}`;
      throw new RankLostError(link.peer, `Rank ${link.peer} ${what}.`, 70);
    };
    return {
      index: this.index,
      size: this.size,
      send: (to, values) => send(to, values, values.length),
      shared: this.#mesh.isShared && this.size <= mostSummed ? sharedWire(arena, send) : undefined,
      receive: async (from, length) => {
        const { payload } = await arrived(linkTo(from), this.#numberFrom(from), length);
        return new Float32Array(payload.buffer, payload.byteOffset, length);
      },
      expect: (from, target, isAdded) => {
        const link = linkTo(from);
        const number = this.#numberFrom(from);
        link.expect?.(this.#channel, number, { target, isAdded });
        return async () => {
          const { payload, isPlaced } = await arrived(link, number, target.length);
          if (isPlaced === true) return;
          link.forget?.(this.#channel, number);
          const received = new Float32Array(payload.buffer, payload.byteOffset, target.length);
          if (isAdded) arena.addInto(target, received);
          else arena.copy(target, received);
          link.recycle(payload);
        };
      },
      recycle: (from, { buffer, byteOffset, byteLength }) =>
        linkTo(from).recycle(new Uint8Array(buffer, byteOffset, byteLength)),
      copy: (target, source, at) => arena.copy(target.subarray(at, at + source.length), source),
      add: (target, source, at) => arena.addInto(target, source, at),
    };
  }

  /** Of the next message from there. */
  #numberFrom(place: number): number {
    const number = this.#received[place] as number;
    this.#received[place] = number + 1;
    return number;
  }
}

function sharedWire(arena: Arena, lend: SharedWire['lend']): SharedWire {
  return {
    within: (values) => {
      if (arena.isWithin(values)) return values;
      const copy = arena.floats(values.length);
      copy.set(values);
      return copy;
    },
    release: (copy) => arena.release(copy),
    lend,
    sumAll: (views, { from, to }) => arena.sumAll(views, from, to),
  };
}
