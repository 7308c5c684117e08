/**
 * The serving path (docs/serving.md): authenticate, limit, route, relay, count. It decides nothing that is not
 * in memory and touches no store: routes come in through `setRoutes`, usage goes out through `meter`.
 */
import { shedFor } from '@gantry/serving';
import { EndpointLoads } from './endpoint-loads.ts';
import { Exchange } from './exchange.ts';
import {
  gatewayDefaults,
  type EndpointSnapshot,
  type Gateway,
  type GatewayOptions,
  type GatewaySnapshot,
} from './gateway-api.ts';
import type { GatewayContext } from './gateway-context.ts';
import { GatewayStats } from './gateway-stats.ts';
import { KeyCache } from './key-cache.ts';
import { unlimited, type Limits } from './limits.ts';
import type { EndpointLoad } from './load-meter.ts';
import type { InferenceRequest } from './inference-request.ts';
import { listModels, modelReadiness, serverFacts, type Listing } from './listings.ts';
import { parseOipPath, toOipRequest } from './parse-oip.ts';
import { operationPaths, parseRequest, type ParseOutcome } from './parse-request.ts';
import { dialectOf, type Problem } from './problem.ts';
import { Quarantine } from './quarantine.ts';
import { createAffinityRouter } from './replica-router.ts';
import type { ReplicaState } from './replica-state.ts';
import { readBody } from './request-body.ts';
import { createRequestIds } from './request-id.ts';
import { bearerOf, pathOf } from './request-line.ts';
import { ResponseCache } from './response-cache.ts';
import { parseResponses } from './responses/continue-response.ts';
import { keptResponse } from './responses/response-routes.ts';
import { ResponseStore } from './responses/response-store.ts';
import { RetryBudget } from './retry-budget.ts';
import { RouteTable, type LiveRoute } from './route-table.ts';
import type { Principal, Route } from './route.ts';
import { Upstreams } from './upstreams.ts';
import type { GatewayRequest, GatewayResponse } from './wire.ts';
import { writeProblem } from './write-problem.ts';

export function createGateway(options: GatewayOptions): Gateway {
  return new HttpGateway(options);
}

/** One call of a known caller, on its way to a route. */
interface Call {
  readonly principal: Principal;
  readonly incoming: GatewayRequest;
  readonly response: GatewayResponse;
  readonly id: string;
  readonly startedMs: number;
}

class HttpGateway implements Gateway {
  readonly #upstreams: Upstreams;
  readonly #context: GatewayContext;
  readonly #keys: KeyCache;
  readonly #limits: Limits;
  readonly #maxBodyBytes: number;
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
    this.#limits = options.limits ?? unlimited;
    this.#maxBodyBytes = settings.maxBodyBytes;
    this.#onError = options.onError ?? (() => undefined);
    this.#context = {
      table: new RouteTable(this.#upstreams),
      stats: new GatewayStats(),
      router: options.router ?? createAffinityRouter(),
      retryBudget: new RetryBudget(),
      cache: new ResponseCache(settings.cacheBytes),
      responses: new ResponseStore(settings.responseBytes),
      loads: new EndpointLoads(now),
      quarantine: new Quarantine(),
      onShadow: options.onShadow ?? (() => undefined),
      exchanges: new Set(),
      options: settings,
      meter: options.meter ?? (() => undefined),
      onHold: (live) => options.wake?.(live.tenantId, live.route.endpointId),
      now,
      random: options.random ?? Math.random,
    };
  }

  handle(request: GatewayRequest, response: GatewayResponse): void {
    const id = this.#nextId();
    const startedMs = this.#context.now();
    const path = pathOf(request.url ?? '/');
    if (this.#isStopping) {
      this.#refuse(request, response, id, { code: 'shutting_down', retryAfterMs: 1_000 });
      return;
    }
    const facts = serverFacts(path);
    if (facts !== undefined) {
      this.#json(response, id, facts);
      return;
    }
    const bearer = bearerOf(request.headers.authorization);
    if (bearer === undefined) {
      this.#refuse(request, response, id, { code: 'invalid_api_key' });
      return;
    }
    const known = this.#keys.lookup(bearer);
    if (!(known instanceof Promise)) {
      this.#withPrincipal(known, request, response, id, path, startedMs);
      return;
    }
    known.then(
      (principal) => {
        this.#withPrincipal(principal, request, response, id, path, startedMs);
      },
      (error: unknown) => {
        this.#onError(error, id);
        this.#refuse(request, response, id, { code: 'internal' });
      },
    );
  }

  #withPrincipal(
    principal: Principal | undefined,
    incoming: GatewayRequest,
    response: GatewayResponse,
    id: string,
    path: string,
    startedMs: number,
  ): void {
    if (response.destroyed) return;
    if (principal === undefined) {
      this.#refuse(incoming, response, id, { code: 'invalid_api_key' });
      return;
    }
    const call: Call = { principal, incoming, response, id, startedMs };
    const operation = operationPaths[path];
    if (operation !== undefined) {
      const { responses } = this.#context;
      this.#read(call, 'POST', (bytes) =>
        operation === 'responses'
          ? parseResponses(responses, principal.tenantId, bytes)
          : parseRequest(operation, bytes),
      );
      return;
    }
    const kept = keptResponse(this.#context.responses, principal.tenantId, incoming.method, path);
    if (kept !== undefined) {
      if ('problem' in kept) this.#refuse(incoming, response, id, kept.problem);
      else this.#json(response, id, kept.json);
      return;
    }
    const oip = parseOipPath(path);
    if (oip === undefined) {
      this.#list(call, listModels(this.#context.table, principal.tenantId, path));
      return;
    }
    if (oip.verb === 'ready')
      this.#list(
        call,
        modelReadiness(this.#context.table, principal.tenantId, oip.model, oip.version, this.#context.now()),
      );
    else
      this.#read(call, oip.verb === 'infer' ? 'POST' : 'GET', (bytes) => ({
        request: toOipRequest(oip, bytes, incoming.headers),
      }));
  }

  #read(call: Call, method: 'GET' | 'POST', parse: (bytes: Buffer) => ParseOutcome): void {
    const { incoming, response, id } = call;
    if (incoming.method !== method) {
      this.#refuse(incoming, response, id, { code: 'method_not_allowed', detail: `Use ${method}.` });
      return;
    }
    readBody(incoming, this.#maxBodyBytes, (body) => {
      try {
        if (body.kind === 'bytes') this.#infer(call, parse(body.bytes));
        else if (body.kind === 'too-large') this.#refuseTooLarge(incoming, response, id);
      } catch (error) {
        this.#onError(error, id);
        if (!response.headersSent) this.#refuse(incoming, response, id, { code: 'internal' });
        else response.destroy();
      }
    });
  }

  #infer(call: Call, parsed: ParseOutcome): void {
    const { principal, incoming, response, id } = call;
    if ('problem' in parsed) {
      this.#refuse(incoming, response, id, parsed.problem);
      return;
    }
    const { request } = parsed;
    const route = this.#context.table.lookup(principal.tenantId, request.model);
    if (route === undefined) {
      this.#refuse(incoming, response, id, { code: 'model_not_found', param: 'model' });
      return;
    }
    const asked = new Set([request.model]);
    const problem = this.#start(call, request, route, asked);
    if (problem === undefined) return;
    if (problem.code === 'overloaded' && this.#fallBack(call, request, route, asked)) return;
    this.#refuse(incoming, response, id, problem);
  }

  /** Hands a request to another endpoint where the route names one that could answer now; each is asked once. */
  #fallBack(call: Call, request: InferenceRequest, { route }: LiveRoute, asked: Set<string>): boolean {
    const name = route.fallback;
    if (name === undefined || asked.has(name)) return false;
    const next = this.#context.table.lookup(call.principal.tenantId, name);
    if (next === undefined || this.#usable(next) === 0) return false;
    asked.add(name);
    return this.#start(call, { ...request, model: name, modelVersion: undefined }, next, asked) === undefined;
  }

  /** Says why not, or nothing when the request is on its way. */
  #start(call: Call, request: InferenceRequest, route: LiveRoute, asked: Set<string>): Problem | undefined {
    const { principal, incoming } = call;
    const priority = priorityOf(incoming);
    const retryAfterMs = this.#shed(route, priority);
    if (retryAfterMs !== undefined) return { code: 'overloaded', retryAfterMs };
    const admitted = this.#limits.admit(principal, route.route, {
      promptTokens: request.promptTokensEstimate,
      promptBytes: request.bytes.length,
      maxCompletionTokens: request.maxTokens,
    });
    if ('problem' in admitted) return admitted.problem;
    this.#context.retryBudget.noteRequest();
    new Exchange(this.#context, {
      ...call,
      route,
      request,
      priority,
      admission: admitted.admission,
      isFallback: asked.size > 1,
      fallBack: () => this.#fallBack(call, request, route, asked),
    }).start();
    return undefined;
  }

  #usable({ revisions }: LiveRoute): number {
    const now = this.#context.now();
    return revisions.reduce(
      (sum, { replicas }) => sum + replicas.filter((state) => state.isUsable(now)).length,
      0,
    );
  }

  #shed(live: LiveRoute, priority: number): number | undefined {
    const { slots, endpointId } = live.route;
    if (slots === undefined) return undefined;
    const { inFlight } = this.#context.loads.of(endpointId);
    return shedFor({ inFlight, capacity: this.#usable(live) * slots, priority });
  }

  #list({ incoming, response, id }: Call, listing: Listing | undefined): void {
    if (listing === undefined) this.#refuse(incoming, response, id, { code: 'unknown_path' });
    else if (incoming.method !== 'GET')
      this.#refuse(incoming, response, id, { code: 'method_not_allowed', detail: 'Use GET.' });
    else if ('problem' in listing) this.#refuse(incoming, response, id, listing.problem);
    else this.#json(response, id, listing.json);
  }

  #json(response: GatewayResponse, id: string, value: unknown): void {
    const body = JSON.stringify(value);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-request-id': id,
    });
    response.end(body);
  }

  #refuseTooLarge(request: GatewayRequest, response: GatewayResponse, id: string): void {
    response.setHeader('connection', 'close');
    this.#refuse(request, response, id, {
      code: 'request_too_large',
      detail: `The limit is ${this.#maxBodyBytes} bytes.`,
    });
    // The rest is read and dropped for a moment, so that the answer arrives before the reset.
    request.resume();
    const timer = setTimeout(() => request.destroy(), 1_000);
    timer.unref();
    request.once('close', () => {
      clearTimeout(timer);
    });
  }

  #refuse(incoming: GatewayRequest, response: GatewayResponse, id: string, problem: Problem): void {
    this.#context.stats.refuse(problem.code);
    writeProblem(response, problem, id, dialectOf(incoming.url));
  }

  setRoutes(tenantId: string, routes: readonly Route[]): void {
    this.#context.table.set(tenantId, routes);
  }

  forgetKeys(): void {
    this.#keys.forget();
  }

  stats(): GatewaySnapshot {
    const { stats, table } = this.#context;
    return {
      inFlight: stats.inFlight,
      holding: stats.holding,
      series: stats.series(),
      replicas: [...table.replicas()].map(toReplicaFacts),
      families: stats.families(),
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
      series: stats
        .series()
        .filter(({ labels }) => labels.tenantId === tenantId && labels.endpointName === endpointName),
      replicas: (live?.revisions ?? []).flatMap(({ replicas }) => replicas.map(toReplicaFacts)),
    };
  }

  takeLoads(): ReadonlyMap<string, EndpointLoad> {
    return this.#context.loads.take();
  }

  async drained(signal?: AbortSignal): Promise<void> {
    while (this.#context.exchanges.size > 0) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    for (const exchange of this.#context.exchanges) exchange.stop();
    await this.#upstreams[Symbol.asyncDispose]();
  }
}

/** Anybody may step back; nobody may push forward. */
function priorityOf(incoming: GatewayRequest): number {
  const value = Number(incoming.headers['x-gantry-priority'] ?? 0);
  return Number.isFinite(value) ? Math.max(-100, Math.min(0, Math.trunc(value))) : 0;
}

const toReplicaFacts = ({ replicaId, inFlight, pendingTokens, failures }: ReplicaState) => ({
  replicaId,
  inFlight,
  pendingTokens,
  failures,
});
