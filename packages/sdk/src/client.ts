/** A typed client of every route in the contract's table. Runs in Node and in browsers. */
import {
  type RouteDefinition,
  type RouteName,
  type RouteRequest,
  type RouteResponse,
  type Routes,
  routes,
  versionHeader,
} from '@gantry/contract';
import { ApiError } from './api-error.ts';
import { type Retry, type RetryOptions, defaultRetry, delayMsOf, mayHelp } from './retry.ts';
import type { ServerEvent } from './server-events.ts';
import { watchAcross } from './watch.ts';

export interface ClientOptions {
  readonly baseUrl: string;
  /** Left out: only what needs no key, such as accepting an invitation. */
  readonly key?: string;
  /** For operators: act in this tenant. */
  readonly tenant?: string;
  readonly fetch?: typeof globalThis.fetch;
  /** Told of each answer: the version of the server that gave it. */
  readonly onVersion?: (version: string) => void;
  /** What is safe to ask again is asked again while the server is away. `{ retries: 0 }` never does. */
  readonly retry?: RetryOptions;
}

export interface CallOptions {
  /** Of creates; one is made where none is given, so that a create whose answer got lost has one effect. */
  readonly idempotencyKey?: string;
  readonly ifMatch?: number;
  readonly signal?: AbortSignal;
}

type NamesOf<Kind> = { [N in RouteName]: Routes[N] extends { stream: Kind } ? N : never }[RouteName];
type JsonName = Exclude<RouteName, NamesOf<'events'> | NamesOf<'log'> | NamesOf<'bytes'>>;
type PagedName = {
  [N in JsonName]: RouteResponse<N> extends { items: readonly unknown[]; nextCursor?: string | undefined }
    ? N
    : never;
}[JsonName];
type ItemOf<N extends PagedName> = RouteResponse<N> extends { items: readonly (infer Item)[] } ? Item : never;

export interface Client {
  call<N extends JsonName>(
    name: N,
    request: RouteRequest<N>,
    options?: CallOptions,
  ): Promise<RouteResponse<N>>;
  /** Every item of a list, page after page. */
  pages<N extends PagedName>(
    name: N,
    request: RouteRequest<N>,
    options?: CallOptions,
  ): AsyncIterable<ItemOf<N>>;
  /** Connects again when the connection breaks; a feed goes on after the last event seen. */
  watch<N extends NamesOf<'events'>>(
    name: N,
    request: RouteRequest<N>,
    options?: CallOptions,
  ): AsyncIterable<ServerEvent>;
  log<N extends NamesOf<'log'>>(
    name: N,
    request: RouteRequest<N>,
    options?: CallOptions,
  ): AsyncIterable<Uint8Array>;
  /** Fails when the bytes break off. */
  download<N extends NamesOf<'bytes'>>(
    name: N,
    request: RouteRequest<N>,
    options?: CallOptions,
  ): AsyncIterable<Uint8Array>;
}

interface Loose {
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: unknown;
  readonly body?: unknown;
}

export function createClient(options: ClientOptions): Client {
  const base = options.baseUrl.replace(/\/+$/, '');
  const transport = options.fetch ?? globalThis.fetch;

  const retry: Retry = { ...defaultRetry, ...options.retry };

  const send = async (
    url: string,
    route: RouteDefinition,
    request: Loose,
    call: CallOptions,
  ): Promise<Response> => {
    let response: Response;
    try {
      response = await transport(url, {
        method: route.method,
        headers: headersOf(options, route, request, call),
        ...bodyOf(route, request.body),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
    } catch (error) {
      if (call.signal?.aborted === true) throw error;
      throw unreachable(base, error);
    }
    const version = response.headers.get(versionHeader);
    if (version !== null) options.onVersion?.(version);
    if (!response.ok) throw await toApiError(response);
    return response;
  };

  const ask = async (name: RouteName, request: Loose, given: CallOptions = {}): Promise<Response> => {
    const route: RouteDefinition = routes[name];
    const call = route.idempotent === true ? { idempotencyKey: crypto.randomUUID(), ...given } : given;
    const isSafe = route.method === 'GET' || (route.idempotent === true && route.takesBytes !== true);
    const url = urlOf(base, route, request);
    for (let tries = 0; ; tries += 1) {
      try {
        return await send(url, route, request, call);
      } catch (error) {
        if (!(error instanceof ApiError) || !isSafe || tries >= retry.retries || !mayHelp(error)) throw error;
        await retry.wait(delayMsOf(retry, tries, error.retryAfterMs), call.signal);
      }
    }
  };

  const call: Client['call'] = async (name, request, options) =>
    (await (await ask(name, request, options)).json()) as RouteResponse<typeof name>;

  return {
    call,
    async *pages(name, request, options) {
      let cursor: string | undefined;
      do {
        const query = {
          ...((request as Loose).query as object),
          ...(cursor === undefined ? {} : { cursor }),
        };
        const response = await ask(name, { ...(request as Loose), query }, options);
        const page = (await response.json()) as {
          items: readonly ItemOf<typeof name>[];
          nextCursor?: string;
        };
        yield* page.items;
        cursor = page.nextCursor;
      } while (cursor !== undefined);
    },
    watch: (name, request, options) =>
      watchAcross(
        (lastId) => {
          // Only the feed can go on after an event; a resource is told as it is now.
          const query = { ...((request as Loose).query as object), since: lastId };
          return ask(name, name === 'events.watch' && lastId !== undefined ? { query } : request, options);
        },
        retry,
        options?.signal,
      ),
    async *log(name, request, options) {
      const response = await ask(name, request, options);
      if (response.body !== null) yield* response.body as unknown as AsyncIterable<Uint8Array>;
    },
    async *download(name, request, options) {
      const response = await ask(name, request, options);
      if (response.body !== null) yield* response.body as unknown as AsyncIterable<Uint8Array>;
    },
  };
}

function urlOf(base: string, route: RouteDefinition, { params, query }: Loose): string {
  const path = route.path.replaceAll(/:(\w+)/g, (_all, key: string) =>
    encodeURIComponent(params?.[key] ?? ''),
  );
  const search = new URLSearchParams();
  const values = (query ?? {}) as Record<string, string | number | boolean | undefined>;
  for (const [key, value] of Object.entries(values)) if (value !== undefined) search.set(key, String(value));
  return `${base}${path}${search.size > 0 ? `?${search.toString()}` : ''}`;
}

function headersOf(
  { key, tenant }: ClientOptions,
  route: RouteDefinition,
  { body }: Loose,
  { idempotencyKey, ifMatch }: CallOptions,
): Record<string, string> {
  const type = route.takesBytes === true ? 'application/octet-stream' : 'application/json';
  return {
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    ...(tenant === undefined ? {} : { 'gantry-tenant': tenant }),
    ...(body === undefined ? {} : { 'content-type': type }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
  };
}

/** Whoever cannot be believed is there, and asking again does not change that. */
function unreachable(base: string, error: unknown): ApiError {
  const { code = '' } = ((error as Error).cause ?? {}) as { code?: string };
  const isDistrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL/.test(code);
  return new ApiError({
    code: isDistrusted ? 'untrusted' : 'unreachable',
    status: 0,
    message: isDistrusted
      ? `the certificate of ${base} is not trusted: ${code}`
      : `nothing answers at ${base}`,
    hint: isDistrusted
      ? 'trust it or who signed it: export NODE_EXTRA_CA_CERTS=cert.pem'
      : 'is it up? gantry up; another server? gantry login URL',
    cause: error,
  });
}

/** A stream goes out as it is read (`duplex` is what fetch calls that); everything else as JSON. */
function bodyOf(route: RouteDefinition, body: unknown): RequestInit {
  if (body === undefined) return {};
  if (route.takesBytes !== true) return { body: JSON.stringify(body) };
  return { body, duplex: 'half' } as RequestInit;
}

async function toApiError(response: Response): Promise<ApiError> {
  const text = await response.text();
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const after = Number.isFinite(retryAfter) ? { retryAfterMs: retryAfter * 1000 } : {};
  try {
    const { error } = JSON.parse(text) as { error: ConstructorParameters<typeof ApiError>[0] };
    if (typeof error.code === 'string') return new ApiError({ ...error, ...after, status: response.status });
  } catch {
    // no JSON, or none of ours
  }
  return new ApiError({
    code: 'bad_answer',
    status: response.status,
    ...after,
    message: `the server answered ${response.status} and no error of ours`,
    hint: 'is this a gantry server?',
  });
}
