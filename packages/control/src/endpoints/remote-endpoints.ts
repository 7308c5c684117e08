/** Endpoints that stand for servers of somebody else: who is watched, and what was last seen of them. */
import type { RemoteServer } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { openSecret } from '../secrets/secrets.ts';
import type { EndpointSpecRecord, RemoteRecord } from './endpoint-record.ts';
import { type RemoteSight, type RemoteTarget, type SeenServer, watchRemote } from './remote-watch.ts';

export interface RemoteWorld {
  /** One look at a server, through whatever requests go through. Never throws. */
  lookAtRemote(target: RemoteTarget, modelName: string, withCapacity: boolean): Promise<RemoteSight>;
}

interface Watched {
  readonly stop: AbortController;
  servers: readonly SeenServer[];
}

export class RemoteEndpoints implements Disposable {
  readonly #deps: Deps;
  readonly #world: RemoteWorld;
  readonly #onChange: (endpointId: string) => Promise<void>;
  readonly #watched = new Map<string, Watched>();

  constructor(deps: Deps, world: RemoteWorld, onChange: (endpointId: string) => Promise<void>) {
    this.#deps = deps;
    this.#world = world;
    this.#onChange = onChange;
  }

  /** Undefined for an endpoint whose servers are ours. */
  serversOf(endpointId: string): readonly SeenServer[] | undefined {
    return this.#watched.get(endpointId)?.servers;
  }

  /** As last seen, every URL once. */
  view(endpoint: Row): readonly RemoteServer[] {
    const { remote } = endpoint.spec as EndpointSpecRecord;
    const seen = this.serversOf(endpoint.id) ?? [];
    return (remote?.urls ?? []).map((url) => {
      const { facts: _facts, ...sight } = seen.find(({ target }) => target.url === url)?.sight ?? {
        state: 'unseen' as const,
      };
      return { url, ...sight };
    });
  }

  /** Watches an endpoint from now on, if it is one of these; `failed` is told of a watch that broke. */
  keep(endpoint: Row, failed: (work: Promise<unknown>) => void): void {
    const { remote } = endpoint.spec as EndpointSpecRecord;
    if (remote === undefined || this.#watched.has(endpoint.id)) return;
    const watched: Watched = { stop: new AbortController(), servers: [] };
    this.#watched.set(endpoint.id, watched);
    failed(this.#watch(endpoint, remote, watched));
  }

  forget(endpointId: string): void {
    this.#watched.get(endpointId)?.stop.abort();
    this.#watched.delete(endpointId);
  }

  [Symbol.dispose](): void {
    for (const { stop } of this.#watched.values()) stop.abort();
  }

  async #watch(endpoint: Row, remote: RemoteRecord, watched: Watched): Promise<void> {
    const { signal } = watched.stop;
    const wait = (delayMs: number) => pause(delayMs, signal, { isBackground: true });
    // Without its database it goes on with what it knew.
    const renew = () => this.#targets(endpoint.tenantId, remote).catch(() => undefined);
    let targets = await renew();
    while (targets === undefined && !signal.aborted) {
      await wait(1_000);
      targets = await renew();
    }
    await watchRemote({
      targets: targets ?? [],
      signal,
      look: (target, withCapacity) => this.#world.lookAtRemote(target, remote.modelName, withCapacity),
      wait,
      renew,
      onChange: async (servers) => {
        watched.servers = servers;
        await this.#onChange(endpoint.id);
      },
    });
  }

  async #targets(tenantId: string, remote: RemoteRecord): Promise<readonly RemoteTarget[]> {
    const { urls, engine, mayBePrivate, secret, managementPort, healthPath } = remote;
    // One that was deleted is refused by the server, and said so there.
    const bearer = secret === undefined ? undefined : await openSecret(this.#deps, tenantId, secret);
    return urls.map((url) => ({
      url,
      engine,
      mayBePrivate,
      ...(bearer === undefined ? {} : { bearer }),
      ...(managementPort === undefined ? {} : { managementPort }),
      ...(healthPath === undefined ? {} : { healthPath }),
    }));
  }
}
