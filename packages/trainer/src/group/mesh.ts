/** A link from this rank to every other. Groups of ranks (see process-group.ts) share the links by channel. */
import { rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Arena, type ArenaRegion } from '../memory/index.ts';
import { Timeline } from '../profile/index.ts';
import { decodeHeader, encodeHeader, frameHeaderBytes } from './frame.ts';
import { Link } from './link.ts';
import type { AbortNotice, LinkEvents, PeerLink } from './peer-link.ts';
import { ranksMissing, type RankLostError } from './rank-lost-error.ts';
import { ThreadLink } from './thread-link.ts';
import { meet, type ThreadMeeting } from './thread-meeting.ts';
import {
  connectUntil,
  exchangeAddresses,
  isSameToken,
  listenOn,
  unixPath,
  type Address,
  type Incoming,
  type Transport,
} from './transport.ts';

export interface MeshOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly transport: Transport;
  /** How long a peer may take to appear. */
  readonly joinTimeoutMs?: number;
  /** Of a memory that others use too; else the rank has one of its own. */
  readonly region?: ArenaRegion;
}

/** How long a rank may take to say how far it has come, once somebody has waited for it in vain. */
const probeMs = 1000;

export class Mesh implements AsyncDisposable {
  readonly rank: number;
  readonly worldSize: number;
  readonly timeline = new Timeline();
  /** What arrives lies here. */
  readonly arena: Arena;
  /** What others send lies in memory that this rank has too. */
  readonly isShared: boolean;
  readonly #links = new Map<number, PeerLink>();
  /** By rank, where ranks meet over TCP. */
  #hosts: readonly (string | undefined)[] = [];
  readonly #entered = new Map<number, number>();
  readonly #answers = new Map<string, number>();

  private constructor({ rank, worldSize, transport, region }: MeshOptions) {
    this.rank = rank;
    this.worldSize = worldSize;
    const meeting = transport.kind === 'threads' ? transport.meeting : undefined;
    this.isShared = meeting !== undefined;
    this.arena = new Arena(
      meeting
        ? { memory: meeting.memory, at: rank * meeting.regionBytes, bytes: meeting.regionBytes }
        : region,
    );
  }

  static async join(options: MeshOptions): Promise<Mesh> {
    const mesh = new Mesh(options);
    const { transport, worldSize, joinTimeoutMs = 60_000 } = options;
    if (worldSize === 1) return mesh;
    const deadlineMs = Date.now() + joinTimeoutMs;
    if (transport.kind === 'threads') await mesh.#meet(transport.meeting, deadlineMs);
    else await mesh.#connect(transport, deadlineMs);
    return mesh;
  }

  link(rank: number): PeerLink {
    const link = this.#links.get(rank);
    if (link === undefined) throw new RangeError(`rank ${this.rank} has no link to rank ${rank}`);
    return link;
  }

  hostOf(rank: number): string | undefined {
    return this.#hosts[rank];
  }

  /** Counts a collective on a channel: what others hear when they ask where this rank is. */
  enter(channel: number): void {
    this.#entered.set(channel, (this.#entered.get(channel) ?? 0) + 1);
  }

  /** Whom to blame when `waited` stays silent: the members that have not come to this rank's collective. */
  async findMissing(
    channel: number,
    members: readonly number[],
    waited: number,
    timeoutMs: number,
  ): Promise<RankLostError> {
    const mine = this.#entered.get(channel) ?? 0;
    const others = members.filter((rank) => rank !== this.rank);
    for (const rank of others) this.#answers.delete(`${channel} ${rank}`);
    for (const rank of others)
      this.link(rank)
        .send('probe', channel, 0, new Uint8Array())
        .catch(() => undefined);
    await new Promise((resolve) => {
      setTimeout(resolve, Math.min(probeMs, timeoutMs));
    });
    const missing = others.filter((rank) => (this.#answers.get(`${channel} ${rank}`) ?? -1) < mine);
    const seconds = `silent for ${timeoutMs / 1000} s.`;
    return ranksMissing(missing.length === 0 ? [waited] : missing, ['has been', 'have been'], seconds);
  }

  /** Tells all others why this rank leaves, so that they name it and exit alike. */
  async abort(notice: AbortNotice): Promise<void> {
    const payload = new TextEncoder().encode(JSON.stringify(notice));
    await Promise.all(
      // A link that is down has nobody left to tell.
      [...this.#links.values()].map((link) => link.send('abort', 0, 0, payload).catch(() => undefined)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  async #meet(meeting: ThreadMeeting, deadlineMs: number): Promise<void> {
    const absent = await meet(meeting, this.rank, deadlineMs);
    if (absent.length > 0) throw ranksMissing(absent, ['never', 'never'], 'came to the rendezvous.');
    for (let of = 0; of < this.worldSize; of += 1) {
      if (of === this.rank) continue;
      this.#links.set(of, new ThreadLink(this.rank, of, meeting, this.#events(), this.arena));
    }
  }

  async #connect(transport: Exclude<Transport, { kind: 'threads' }>, deadlineMs: number): Promise<void> {
    const { rank, worldSize } = this;
    const token = transport.kind === 'tcp' ? transport.token : '';
    const guests = new Guests(worldSize - 1, token);
    const path = transport.kind === 'unix' ? unixPath(transport.directory, rank) : undefined;
    const local: Address =
      path === undefined
        ? { host: transport.kind === 'tcp' && rank === 0 ? transport.host : '0.0.0.0', port: 0 }
        : { path };
    await listenOn(guests.server, local);
    try {
      const addresses =
        transport.kind === 'unix'
          ? Array.from({ length: worldSize }, (_, of) => ({ path: unixPath(transport.directory, of) }))
          : await exchangeAddresses(
              transport,
              rank,
              worldSize,
              (guests.server.address() as AddressInfo).port,
              deadlineMs,
            );
      this.#hosts = addresses.map((address) =>
        address !== undefined && 'host' in address ? address.host : undefined,
      );
      const hosts = new Map<number, Incoming>();
      await Promise.all(
        Array.from({ length: worldSize }, async (_, of) => {
          const address = addresses[of];
          if (of === rank || address === undefined) return;
          const incoming = await connectUntil(address, deadlineMs, this.arena);
          if (incoming === undefined) return;
          const hello = new TextEncoder().encode(token);
          incoming.socket.write(
            encodeHeader({ kind: 'hello', channel: 0, number: rank, byteLength: hello.byteLength }),
          );
          incoming.socket.write(hello);
          hosts.set(of, incoming);
        }),
      );
      await guests.allCame(deadlineMs);
      const missing = Array.from({ length: worldSize }, (_, of) => of).filter(
        (of) => of !== rank && (!hosts.has(of) || !guests.sockets.has(of)),
      );
      if (missing.length > 0) {
        for (const { socket } of hosts.values()) socket.destroy();
        for (const socket of guests.sockets.values()) socket.destroy();
        throw ranksMissing(missing, ['never', 'never'], 'came to the rendezvous.');
      }
      for (const [of, incoming] of hosts) this.#addLink(of, incoming, guests.sockets.get(of) as Socket);
    } finally {
      guests.server.close();
      if (path !== undefined) await rm(path, { force: true });
    }
  }

  #addLink(peer: number, incoming: Incoming, outgoing: Socket): void {
    const sockets = { incoming: incoming.socket, outgoing };
    this.#links.set(peer, new Link(peer, sockets, incoming.attach, this.#events(), this.arena));
  }

  #events(): LinkEvents {
    return {
      // What one link learns the others pass on: every rank hears the true cause.
      onLost: (error) => {
        const notice = { rank: error.rank, exitCode: error.exitCode, message: error.message };
        void this.abort(notice).then(() => {
          for (const link of this.#links.values()) link.fail(error);
        });
      },
      entered: (channel) => this.#entered.get(channel) ?? 0,
      onAnswer: (from, channel, entered) => this.#answers.set(`${channel} ${from}`, entered),
    };
  }
}

/** The sockets others open to this rank; each begins with a hello that names its rank. */
class Guests {
  readonly server: Server;
  readonly sockets = new Map<number, Socket>();
  readonly #all = Promise.withResolvers<void>();
  readonly #token: string;

  constructor(expected: number, token: string) {
    this.#token = token;
    this.server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      this.#greet(socket, expected);
    });
  }

  async allCame(deadlineMs: number): Promise<void> {
    const timer = setTimeout(this.#all.resolve, Math.max(0, deadlineMs - Date.now()));
    await this.#all.promise;
    clearTimeout(timer);
  }

  #greet(socket: Socket, expected: number): void {
    let read = Buffer.alloc(0);
    const onData = (bytes: Buffer): void => {
      read = Buffer.concat([read, bytes]);
      if (read.length < frameHeaderBytes) return;
      const rank = this.#admitted(read);
      if (rank === undefined) return;
      socket.removeListener('data', onData);
      if (rank < 0 || this.sockets.has(rank)) {
        socket.destroy();
        return;
      }
      this.sockets.set(rank, socket);
      if (this.sockets.size === expected) this.#all.resolve();
    };
    socket.on('data', onData);
  }

  /** The rank that says hello, -1 for a stranger, undefined while the hello is not complete. */
  #admitted(read: Buffer): number | undefined {
    try {
      const { kind, number, byteLength } = decodeHeader(read.subarray(0, frameHeaderBytes));
      if (kind !== 'hello') return -1;
      if (read.length < frameHeaderBytes + byteLength) return undefined;
      const token = read.subarray(frameHeaderBytes, frameHeaderBytes + byteLength).toString('utf8');
      return isSameToken(token, this.#token) ? number : -1;
    } catch {
      return -1;
    }
  }
}
