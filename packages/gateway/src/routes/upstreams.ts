/** One keep-alive connection pool per place that a replica listens at. */
import type { SocketConnectOpts } from 'node:net';
import { Agent, Pool, type buildConnector, type Dispatcher } from 'undici';
import { GrpcUpstream } from '../grpc/grpc-upstream.ts';
import { withJsonTensors } from '../remote/json-tensors.ts';
import { publicLookup } from '../remote/private-address.ts';
import { isGrpc, isRemote, type RemoteOrigin } from '../remote/remote-origin.ts';
import { withRefusals } from '../remote/remote-refusals.ts';
import { connectReplica } from './replica-socket.ts';
import type { Origin } from './route.ts';

export interface UpstreamsOptions {
  readonly connectionsPerReplica: number;
  readonly connectTimeoutMs: number;
  /** Longest silence before the first byte of an answer. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within an answer. */
  readonly idleTimeoutMs: number;
}

export class Upstreams implements AsyncDisposable {
  readonly #pools = new Map<string, Dispatcher>();
  readonly #lookers = new Map<boolean, Agent>();
  readonly #grpcLookers = new Map<string, Dispatcher>();
  readonly #options: UpstreamsOptions;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  poolFor(origin: Origin): Dispatcher {
    const key = originKey(origin);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#open(origin);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  #open(origin: Origin): Dispatcher {
    if (isRemote(origin) && isGrpc(origin))
      return new GrpcUpstream(origin.url, this.#options.firstByteTimeoutMs);
    const pool = new Pool(urlOf(origin), {
      connections: this.#options.connectionsPerReplica,
      pipelining: 1,
      headersTimeout: this.#options.firstByteTimeoutMs,
      bodyTimeout: this.#options.idleTimeoutMs,
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 120_000,
      connect: this.#connect(origin),
    });
    if (!isRemote(origin)) return pool;
    const read = withRefusals(origin.engine, pool);
    return origin.isJsonOnly === true ? withJsonTensors(read) : read;
  }

  #connect(origin: Origin): buildConnector.BuildOptions | buildConnector.connector {
    const { connectTimeoutMs: timeout } = this.#options;
    if (!isRemote(origin)) return connectReplica(placeOf(origin), timeout);
    return origin.mayBePrivate ? { timeout } : { timeout, lookup: publicLookup };
  }

  /** For looks at servers of somebody else: a change of routes does not close it. */
  lookerFor(origin: RemoteOrigin): Dispatcher {
    const { mayBePrivate } = origin;
    if (isGrpc(origin)) return this.#grpcLookerFor(origin);
    let looker = this.#lookers.get(mayBePrivate);
    if (looker === undefined) {
      const { connectTimeoutMs: timeout } = this.#options;
      const connect = mayBePrivate ? { timeout } : { timeout, lookup: publicLookup };
      looker = new Agent({ connections: 2, keepAliveTimeout: 30_000, connect });
      this.#lookers.set(mayBePrivate, looker);
    }
    return looker;
  }

  #grpcLookerFor({ url }: RemoteOrigin): Dispatcher {
    let looker = this.#grpcLookers.get(url);
    if (looker === undefined) {
      looker = new GrpcUpstream(url, this.#options.connectTimeoutMs);
      this.#grpcLookers.set(url, looker);
    }
    return looker;
  }

  /** Closes the pools of places nobody routes to any more; what is in flight there finishes first. */
  keepOnly(origins: Iterable<Origin>): void {
    const wanted = new Set<string>();
    for (const origin of origins) wanted.add(originKey(origin));
    for (const [key, pool] of this.#pools) {
      if (wanted.has(key)) continue;
      this.#pools.delete(key);
      void pool.close().catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pools = [...this.#pools.values(), ...this.#lookers.values(), ...this.#grpcLookers.values()];
    this.#pools.clear();
    this.#lookers.clear();
    this.#grpcLookers.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

export function originKey(origin: Origin): string {
  if (isRemote(origin))
    return `${origin.engine}${origin.isJsonOnly === true ? ' in JSON' : ''}:${origin.mayBePrivate ? 'any' : 'public'}:${serverOf(origin)}`;
  return 'socketPath' in origin ? `unix:${origin.socketPath}` : `tcp:${origin.host}:${origin.port}`;
}

/** URLs of other schemes than http have no `origin`. */
function serverOf({ url }: RemoteOrigin): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

function urlOf(origin: Origin): string {
  if (isRemote(origin)) return serverOf(origin);
  if ('socketPath' in origin) return 'http://localhost';
  const host = origin.host.includes(':') ? `[${origin.host}]` : origin.host;
  return `http://${host}:${origin.port}`;
}

const placeOf = (origin: Exclude<Origin, RemoteOrigin>): SocketConnectOpts =>
  'socketPath' in origin ? { path: origin.socketPath } : { host: origin.host, port: origin.port };
