/**
 * The serving path (docs/serving.md): authenticate, limit, route, relay, count. It decides nothing that is not
 * in memory and touches no store: routes come in through `setRoutes`, usage goes out through `meter`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MetricFamily } from '@gantry/kit';
import { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';
import { GatewayStats, type Series } from './gateway-stats.ts';
import { KeyCache, type Authenticate } from './key-cache.ts';
import { unlimited, type Limits } from './limits.ts';
import type { MeterRecord } from './meter-record.ts';
import { operationPaths, parseRequest, type Operation } from './parse-request.ts';
import type { Problem } from './problem.ts';
import { createAffinityRouter, type ReplicaRouter } from './replica-router.ts';
import { readBody } from './request-body.ts';
import { createRequestIds } from './request-id.ts';
import { RetryBudget } from './retry-budget.ts';
import { RouteTable } from './route-table.ts';
import type { Principal, Route } from './route.ts';
import { Upstreams } from './upstreams.ts';
import { writeProblem } from './write-problem.ts';

export interface GatewayOptions {
  readonly authenticate: Authenticate;
  /** Called once for every request that reached a route, whatever became of it. Must not throw or block. */
  readonly meter?: (record: MeterRecord) => void;
  readonly limits?: Limits;
  readonly router?: ReplicaRouter;
  /** A request waits for this endpoint: bring a replica back if it was scaled to zero. Called often; be cheap. */
  readonly wake?: (tenantId: string, endpointId: string) => void;
  /** An internal failure, with the request id that the client was given. */
  readonly onError?: (error: unknown, requestId: string) => void;
  readonly maxBodyBytes?: number;
  readonly maxResponseBytes?: number;
  readonly holdMs?: number;
  readonly maxAttempts?: number;
  readonly stalledClientMs?: number;
  readonly connectionsPerReplica?: number;
  readonly connectTimeoutMs?: number;
  readonly firstByteTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly keyTtlMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface GatewaySnapshot {
  readonly inFlight: number;
  readonly holding: number;
  readonly series: readonly Series[];
  readonly replicas: readonly {
    readonly replicaId: string;
    readonly inFlight: number;
    readonly pendingTokens: number;
    readonly failures: number;
  }[];
  /** For the kit's `writeMetrics`. */
  readonly families: readonly MetricFamily[];
}

export interface Gateway extends AsyncDisposable {
  /** Takes over the request: it will be answered, or its socket closed. For `/v1/*`. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Replaces every route of a tenant at once. Requests in flight finish where they are. */
  setRoutes(tenantId: string, routes: readonly Route[]): void;
  /** Forgets who keys belong to: call when a key is revoked or a role changes. */
  forgetKeys(): void;
  stats(): GatewaySnapshot;
  /** Resolves when nothing is in flight, or rejects with the signal's reason. New requests are still taken. */
  drained(signal?: AbortSignal): Promise<void>;
}

const defaults = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxResponseBytes: 64 * 1024 * 1024,
  holdMs: 30_000,
  maxAttempts: 3,
  stalledClientMs: 60_000,
  connectionsPerReplica: 512,
  connectTimeoutMs: 2_000,
  firstByteTimeoutMs: 300_000,
  idleTimeoutMs: 120_000,
};

export function createGateway(options: GatewayOptions): Gateway {
  return new HttpGateway(options);
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
    const settings = { ...defaults, ...options };
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
      exchanges: new Set(),
      options: settings,
      meter: options.meter ?? (() => undefined),
      onHold: (live) => options.wake?.(live.tenantId, live.route.endpointId),
      now,
      random: options.random ?? Math.random,
    };
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const id = this.#nextId();
    const startedMs = this.#context.now();
    if (this.#isStopping) {
      this.#refuse(response, id, { code: 'shutting_down', retryAfterMs: 1_000 });
      return;
    }
    const bearer = bearerOf(request.headers.authorization);
    if (bearer === undefined) {
      this.#refuse(response, id, { code: 'invalid_api_key' });
      return;
    }
    const known = this.#keys.lookup(bearer);
    if (!(known instanceof Promise)) {
      this.#withPrincipal(known, request, response, id, startedMs);
      return;
    }
    known.then(
      (principal) => {
        this.#withPrincipal(principal, request, response, id, startedMs);
      },
      (error: unknown) => {
        this.#onError(error, id);
        this.#refuse(response, id, { code: 'internal' });
      },
    );
  }

  #withPrincipal(
    principal: Principal | undefined,
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    startedMs: number,
  ): void {
    if (response.destroyed) return;
    if (principal === undefined) {
      this.#refuse(response, id, { code: 'invalid_api_key' });
      return;
    }
    const path = pathOf(request.url ?? '/');
    const operation = operationPaths[path];
    if (operation === undefined) {
      this.#serveModels(principal, request, response, id, path);
      return;
    }
    if (request.method !== 'POST') {
      this.#refuse(response, id, { code: 'method_not_allowed', detail: 'Use POST.' });
      return;
    }
    readBody(request, this.#maxBodyBytes, (body) => {
      try {
        if (body.kind === 'bytes')
          this.#infer(principal, operation, body.bytes, request, response, id, startedMs);
        else if (body.kind === 'too-large') this.#refuseTooLarge(request, response, id);
      } catch (error) {
        this.#onError(error, id);
        if (!response.headersSent) this.#refuse(response, id, { code: 'internal' });
        else response.destroy();
      }
    });
  }

  #infer(
    principal: Principal,
    operation: Operation,
    bytes: Buffer,
    incoming: IncomingMessage,
    response: ServerResponse,
    id: string,
    startedMs: number,
  ): void {
    const parsed = parseRequest(operation, bytes);
    if ('problem' in parsed) {
      this.#refuse(response, id, parsed.problem);
      return;
    }
    const { request } = parsed;
    const route = this.#context.table.lookup(principal.tenantId, request.model);
    if (route === undefined) {
      this.#refuse(response, id, { code: 'model_not_found', param: 'model' });
      return;
    }
    const admitted = this.#limits.admit(principal, route.route, {
      promptTokens: request.promptTokensEstimate,
      promptBytes: request.bytes.length,
      maxCompletionTokens: request.maxTokens,
    });
    if ('problem' in admitted) {
      this.#refuse(response, id, admitted.problem);
      return;
    }
    this.#context.retryBudget.noteRequest();
    new Exchange(this.#context, {
      id,
      principal,
      route,
      request,
      admission: admitted.admission,
      startedMs,
      incoming,
      response,
    }).start();
  }

  #serveModels(
    principal: Principal,
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    path: string,
  ): void {
    const single = /^\/v1\/models\/(.+)$/.exec(path)?.[1];
    if (path !== '/v1/models' && single === undefined) {
      this.#refuse(response, id, { code: 'unknown_path' });
      return;
    }
    if (request.method !== 'GET') {
      this.#refuse(response, id, { code: 'method_not_allowed', detail: 'Use GET.' });
      return;
    }
    if (single === undefined) {
      this.#json(response, id, {
        object: 'list',
        data: this.#context.table.list(principal.tenantId).map(toModel),
      });
      return;
    }
    const live = this.#context.table.lookup(principal.tenantId, decode(single));
    if (live === undefined) this.#refuse(response, id, { code: 'model_not_found', param: 'model' });
    else this.#json(response, id, toModel(live.route));
  }

  #json(response: ServerResponse, id: string, value: unknown): void {
    const body = JSON.stringify(value);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-request-id': id,
    });
    response.end(body);
  }

  #refuseTooLarge(request: IncomingMessage, response: ServerResponse, id: string): void {
    response.setHeader('connection', 'close');
    this.#refuse(response, id, {
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

  #refuse(response: ServerResponse, id: string, problem: Problem): void {
    this.#context.stats.refuse(problem.code);
    writeProblem(response, problem, id);
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
      replicas: [...table.replicas()].map(({ replicaId, inFlight, pendingTokens, failures }) => ({
        replicaId,
        inFlight,
        pendingTokens,
        failures,
      })),
      families: stats.families(),
    };
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

function toModel(route: Route): Record<string, unknown> {
  return {
    id: route.endpointName,
    object: 'model',
    created: route.createdAtSeconds ?? 0,
    owned_by: 'gantry',
  };
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > 4_096) return undefined;
  const [scheme, token] = authorization.split(' ');
  return scheme?.toLowerCase() === 'bearer' && token !== undefined && token !== '' ? token : undefined;
}
