/** One keep-alive connection pool per place that a replica listens at. */
import { Pool } from 'undici';
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
  readonly #pools = new Map<string, Pool>();
  readonly #options: UpstreamsOptions;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  poolFor(origin: Origin): Pool {
    const key = originKey(origin);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new Pool(urlOf(origin), {
        connections: this.#options.connectionsPerReplica,
        pipelining: 1,
        headersTimeout: this.#options.firstByteTimeoutMs,
        bodyTimeout: this.#options.idleTimeoutMs,
        keepAliveTimeout: 30_000,
        keepAliveMaxTimeout: 120_000,
        connect: {
          timeout: this.#options.connectTimeoutMs,
          ...('socketPath' in origin ? { socketPath: origin.socketPath } : {}),
        },
      });
      this.#pools.set(key, pool);
    }
    return pool;
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
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

export function originKey(origin: Origin): string {
  return 'socketPath' in origin ? `unix:${origin.socketPath}` : `tcp:${origin.host}:${origin.port}`;
}

function urlOf(origin: Origin): string {
  if ('socketPath' in origin) return 'http://localhost';
  const host = origin.host.includes(':') ? `[${origin.host}]` : origin.host;
  return `http://${host}:${origin.port}`;
}
