/**
 * The serving path (docs/serving.md): authenticate, limit, route, relay, count. It decides nothing that is not
 * in memory and touches no store: routes come in through `setRoutes`, usage goes out through `meter`.
 */
import { Answers, type Asked } from './http/answers.ts';
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
import { BodyRoom } from './limits/body-room.ts';
import { KeyCache } from './limits/key-cache.ts';
import { KeyWatch } from './limits/key-watch.ts';
import { unlimited } from './limits/limits.ts';
import type { EndpointLoad } from './metering/load-meter.ts';
import { Intake, type Call } from './requests/intake.ts';
import { listModels, modelReadiness, serverFacts, type Listing } from './http/listings.ts';
import { parseOipPath, toOipRequest } from './requests/parse-oip.ts';
import { operationPaths, parseRequest, type ParseOutcome } from './requests/parse-request.ts';
import { Quarantine } from './quarantine/quarantine.ts';
import { createAffinityRouter } from './routes/replica-router.ts';
import type { ReplicaState } from './routes/replica-state.ts';
import type { Problem } from './http/problem.ts';
import { createRequestIds } from './http/request-id.ts';
import { wholeBody } from './http/whole-body.ts';
import { bearerOf, pathOf } from './http/request-line.ts';
import { lookAtRemote, type RemoteLook } from './remote/look-at-remote.ts';
import type { RemoteOrigin } from './remote/remote-origin.ts';
import { isCountedThere } from './routes/choose-arm.ts';
import { ResponseCache } from './answer-cache/response-cache.ts';
import { BackgroundResponses, type ResponseAnswer } from './responses/background-responses.ts';
import { parseResponses } from './responses/continue-response.ts';
import { EventFollowers } from './responses/event-followers.ts';
import { keptResponse } from './responses/response-routes.ts';
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

const noRoom: Problem = {
  code: 'overloaded',
  detail: 'The gateway holds as many bytes of requests as it can.',
  retryAfterMs: 1_000,
};

class HttpGateway implements Gateway {
  readonly #upstreams: Upstreams;
  readonly #context: GatewayContext;
  readonly #keys: KeyCache;
  readonly #keyWatch: KeyWatch<true>;
  readonly #followers = new EventFollowers();
  readonly #answers: Answers;
  readonly #intake: Intake;
  readonly #background: BackgroundResponses;
  readonly #stuck: StuckAnswers;
  readonly #maxBodyBytes: number;
  readonly #bodies: BodyRoom;
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
      held: () => [...this.#context.exchanges, ...this.#followers.open],
      keyNow: async (keyId) => ((await isKeyGood(keyId)) ? true : undefined),
    });
    this.#maxBodyBytes = settings.maxBodyBytes;
    this.#bodies = new BodyRoom(settings.maxHeldBytes);
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
    this.#intake = new Intake(this.#context, options.limits ?? unlimited);
    this.#stuck = new StuckAnswers(this.#context.exchanges, settings, now);
    this.#background = new BackgroundResponses(this.#context.responses, this.#intake, this.#bodies);
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
    const { incoming, response } = asked;
    if (response.destroyed) return;
    if (principal === undefined) {
      this.#answers.refuse(asked, { code: 'invalid_api_key' });
      return;
    }
    const { table, responses, now } = this.#context;
    const { tenantId } = principal;
    const call: Call = { ...asked, principal, startedMs };
    const operation = operationPaths[path];
    if (operation !== undefined) {
      this.#read(call, 'POST', (bytes) =>
        operation === 'responses' || operation === 'responses/input_tokens'
          ? parseResponses(responses, tenantId, bytes, operation)
          : parseRequest(operation, bytes),
      );
      return;
    }
    const kept = keptResponse(responses, this.#background, tenantId, incoming.method, incoming.url ?? '/');
    if (kept !== undefined) {
      this.#answer(call, kept);
      return;
    }
    const oip = parseOipPath(path);
    if (oip === undefined) this.#list(call, listModels(table, tenantId, path));
    else if (oip.verb === 'ready' && !isCountedThere(table.lookup(tenantId, oip.model), oip.version))
      this.#list(call, modelReadiness(table, tenantId, oip.model, oip.version, now()));
    else
      this.#read(call, oip.verb === 'infer' ? 'POST' : 'GET', (bytes) => ({
        request: toOipRequest(oip, bytes, incoming.headers),
      }));
  }

  #read(call: Call, method: 'GET' | 'POST', parse: (bytes: Buffer) => ParseOutcome): void {
    const { incoming, response, id, principal } = call;
    if (incoming.method !== method) {
      this.#answers.refuse(call, { code: 'method_not_allowed', detail: `Use ${method}.` });
      return;
    }
    const maxBytes = this.#maxBodyBytes;
    const { grow } = this.#bodies.holdFor(principal.tenantId, response);
    wholeBody(incoming, { maxBytes, grow }, (body) => {
      if (body.kind === 'gone' || response.destroyed) return;
      try {
        if (body.kind === 'bytes') this.#infer(call, parse(body.bytes));
        else if (body.kind === 'too-large') this.#answers.refuseTooLarge(call, maxBytes);
        else if (body.kind === 'no-room') this.#answers.refuse(call, noRoom);
        else this.#answers.refuse(call, { code: 'invalid_request', detail: body.detail });
      } catch (error) {
        this.#onError(error, id);
        if (!response.headersSent) this.#answers.refuse(call, { code: 'internal' });
        else response.destroy();
      }
    });
  }

  #infer(call: Call, parsed: ParseOutcome): void {
    if ('problem' in parsed) {
      this.#answers.refuse(call, parsed.problem);
      return;
    }
    const { request, background } = parsed;
    if (background !== undefined) {
      this.#answer(call, this.#background.start(call, request, background.input));
      return;
    }
    const problem = this.#intake.take(call, request);
    if (problem !== undefined) this.#answers.refuse(call, problem);
  }

  #answer(call: Call, answer: ResponseAnswer): void {
    if ('problem' in answer) this.#answers.refuse(call, answer.problem);
    else if ('json' in answer) writeWhole(call, answer.json);
    else this.#followers.follow(call, answer, this.#context.options.stalledClientMs);
  }

  #list(call: Call, listing: Listing | undefined): void {
    if (listing === undefined) this.#answers.refuse(call, { code: 'unknown_path' });
    else if (call.incoming.method !== 'GET')
      this.#answers.refuse(call, { code: 'method_not_allowed', detail: 'Use GET.' });
    else if ('problem' in listing) this.#answers.refuse(call, listing.problem);
    else writeWhole(call, listing.json);
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
