/**
 * The serving path (docs/serving.md): authenticate, limit, route, relay, count. It decides nothing that is not
 * in memory and touches no store: routes come in through `setRoutes`, usage goes out through `meter`.
 */
import { Answers, type Asked } from './http/answers.ts';
import { CallPaths } from './http/call-paths.ts';
import { writeWhole } from './answer-cache/cached-answer.ts';
import { EndpointLoads } from './metering/endpoint-loads.ts';
import {
  gatewayDefaults,
  type EndpointSnapshot,
  type Gateway,
  type GatewayOptions,
  type GatewaySnapshot,
} from './gateway-api.ts';
import type { GatewayContext } from './gateway-context.ts';
import { GatewayStats } from './metering/gateway-stats.ts';
import { KeyCache } from './limits/key-cache.ts';
import { KeyWatch } from './limits/key-watch.ts';
import { unlimited } from './limits/limits.ts';
import type { EndpointLoad } from './metering/load-meter.ts';
import { Intake } from './requests/intake.ts';
import { serverFacts } from './http/listings.ts';
import { Quarantine } from './quarantine/quarantine.ts';
import { createAffinityRouter } from './routes/replica-router.ts';
import type { ReplicaState } from './routes/replica-state.ts';
import { createRequestIds } from './http/request-id.ts';
import { bearerOf, pathOf } from './http/request-line.ts';
import { lookAtRemote, type RemoteLook } from './remote/look-at-remote.ts';
import type { RemoteOrigin } from './remote/remote-origin.ts';
import { ResponseCache } from './answer-cache/response-cache.ts';
import { ResponseStore } from './responses/response-store.ts';
import { RetryBudget } from './relay/retry-budget.ts';
import { StuckAnswers } from './relay/stuck-answers.ts';
import { RouteTable } from './routes/route-table.ts';
import type { Principal, Route } from './routes/route.ts';
import { Upstreams } from './routes/upstreams.ts';
import type { GatewayRequest, GatewayResponse } from './http/wire.ts';

export function createGateway(options: GatewayOptions): Gateway {
  return new HttpGateway(options);
}

class HttpGateway implements Gateway {
  readonly #upstreams: Upstreams;
  readonly #context: GatewayContext;
  readonly #keys: KeyCache;
  readonly #keyWatch: KeyWatch<true>;
  readonly #answers: Answers;
  readonly #paths: CallPaths;
  readonly #stuck: StuckAnswers;
  readonly #onError: (error: unknown, requestId: string) => void;
  readonly #nextId = createRequestIds();
  #isStopping = false;

  constructor(options: GatewayOptions) {
    const settings = { ...gatewayDefaults, ...options };
    const now = options.now ?? (() => performance.now());
    this.#upstreams = new Upstreams(settings);
    this.#keys = new KeyCache({
      authenticate: options.authenticate,
      now,
      ...(options.keyTtlMs === undefined ? {} : { ttlMs: options.keyTtlMs }),
    });
    const { isKeyGood = async () => true } = options;
    this.#keyWatch = new KeyWatch({
      held: () => [...this.#context.exchanges, ...this.#paths.followers.open],
      keyNow: async (keyId) => ((await isKeyGood(keyId)) ? true : undefined),
    });
    this.#onError = options.onError ?? (() => undefined);
    this.#context = {
      table: new RouteTable(this.#upstreams, now),
      stats: new GatewayStats(),
      router: options.router ?? createAffinityRouter(),
      retryBudget: new RetryBudget(),
      cache: new ResponseCache(settings.cacheBytes),
      responses: new ResponseStore(settings.responseBytes, options.responseKeeper, options.knownResponses),
      loads: new EndpointLoads(now),
      quarantine: new Quarantine(),
      onShadow: options.onShadow ?? (() => undefined),
      onPayload: options.onPayload ?? (() => undefined),
      exchanges: new Set(),
      options: settings,
      meter: options.meter ?? (() => undefined),
      onSketch: options.onSketch ?? (() => undefined),
      onHold: (live) => options.wake?.(live.tenantId, live.route.endpointId),
      now,
      random: options.random ?? Math.random,
    };
    this.#answers = new Answers(this.#context.stats);
    this.#stuck = new StuckAnswers(this.#context.exchanges, settings, now);
    const intake = new Intake(this.#context, options.limits ?? unlimited);
    this.#paths = new CallPaths(this.#context, intake, this.#answers, {
      ...settings,
      onError: this.#onError,
    });
  }

  handle(incoming: GatewayRequest, response: GatewayResponse): void {
    const asked = { incoming, response, id: this.#nextId() };
    const startedMs = this.#context.now();
    const path = pathOf(incoming.url ?? '/');
    if (this.#isStopping) {
      this.#answers.refuse(asked, { code: 'shutting_down', retryAfterMs: 1_000 });
      return;
    }
    const facts = serverFacts(path);
    if (facts !== undefined) {
      writeWhole(asked, facts);
      return;
    }
    const bearer = bearerOf(incoming.headers.authorization);
    if (bearer === undefined) {
      this.#answers.refuse(asked, { code: 'invalid_api_key' });
      return;
    }
    const known = this.#keys.lookup(bearer);
    if (!(known instanceof Promise)) {
      this.#withPrincipal(known, asked, path, startedMs);
      return;
    }
    known.then(
      (principal) => {
        this.#withPrincipal(principal, asked, path, startedMs);
      },
      (error: unknown) => {
        this.#onError(error, asked.id);
        this.#answers.refuse(asked, { code: 'internal' });
      },
    );
  }

  #withPrincipal(principal: Principal | undefined, asked: Asked, path: string, startedMs: number): void {
    if (asked.response.destroyed) return;
    if (principal === undefined) {
      this.#answers.refuse(asked, { code: 'invalid_api_key' });
      return;
    }
    this.#paths.take({ ...asked, principal, startedMs }, path);
  }

  setRoutes(tenantId: string, routes: readonly Route[]): void {
    const { table, stats, loads } = this.#context;
    for (const { endpointId, endpointName } of table.set(tenantId, routes)) {
      stats.forget(tenantId, endpointName);
      loads.forget(endpointId);
    }
  }

  forgetKeys(): void {
    this.#keys.forget();
    this.#keyWatch.look();
  }

  stats(): GatewaySnapshot {
    const { stats, table, now } = this.#context;
    return {
      inFlight: stats.inFlight,
      holding: stats.holding,
      series: stats.series(),
      replicas: [...table.replicas()].map((each) => toReplicaFacts(each, now())),
      families: stats.families([...table.replicas()].map(({ series }) => series)),
    };
  }

  endpointStats(tenantId: string, endpointId: string, endpointName: string): EndpointSnapshot {
    const { stats, table, loads, now } = this.#context;
    const load = loads.of(endpointId);
    const live = table.lookup(tenantId, endpointName);
    return {
      inFlight: load.inFlight,
      holding: load.holding,
      queriesPerSecond: load.queriesPerSecond(now()),
      arrivals: load.arrivalsBySecond(now()),
      series: stats
        .series()
        .filter(({ labels }) => labels.tenantId === tenantId && labels.endpointName === endpointName),
      replicas: (live?.revisions ?? []).flatMap(({ replicas }) =>
        replicas.map((each) => toReplicaFacts(each, now())),
      ),
    };
  }

  lookAtRemote(origin: RemoteOrigin, model: string, withCapacity: boolean): Promise<RemoteLook> {
    return lookAtRemote(origin, model, { dispatcher: this.#upstreams.lookerFor(origin), withCapacity });
  }

  takeLoads(): ReadonlyMap<string, EndpointLoad> {
    return this.#context.loads.take();
  }

  isBusy(replicaId: string): boolean {
    return [...this.#context.exchanges].some((exchange) => exchange.isAt(replicaId));
  }

  async drained(signal?: AbortSignal): Promise<void> {
    while (this.#context.exchanges.size > 0) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#stuck[Symbol.dispose]();
    this.#keyWatch[Symbol.dispose]();
    for (const exchange of this.#context.exchanges) exchange.end('shutting_down');
    await this.#upstreams[Symbol.asyncDispose]();
  }
}

const toReplicaFacts = (
  { replicaId, replica, inFlight, pendingTokens, failures, series }: ReplicaState,
  nowMs: number,
) => ({
  replicaId,
  origin: replica.origin,
  inFlight,
  pendingTokens,
  failures,
  series,
  ageMs: nowMs - series.sinceMs,
});
