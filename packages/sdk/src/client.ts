/** A typed client of every route in the contract's table. Runs in Node and in browsers. */
import {
  type RouteDefinition,
  type RouteName,
  type RouteRequest,
  type RouteResponse,
  type Routes,
  routes,
} from '@gantry/contract';
import { ApiError } from './api-error.ts';
import { type ServerEvent, parseServerEvents } from './server-events.ts';

export interface ClientOptions {
  readonly baseUrl: string;
  /** Left out: only what needs no key, such as accepting an invitation. */
  readonly key?: string;
  /** For operators: act in this tenant. */
  readonly tenant?: string;
  readonly fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
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
  const send = options.fetch ?? globalThis.fetch;

  const ask = async (name: RouteName, request: Loose, call: CallOptions = {}): Promise<Response> => {
    const route: RouteDefinition = routes[name];
    const path = route.path.replaceAll(/:(\w+)/g, (_all, key: string) =>
      encodeURIComponent(request.params?.[key] ?? ''),
    );
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(
      (request.query ?? {}) as Record<string, string | number | boolean | undefined>,
    )) {
      if (value !== undefined) query.set(key, String(value));
    }
    let response: Response;
    try {
      response = await send(`${base}${path}${query.size > 0 ? `?${query.toString()}` : ''}`, {
        method: route.method,
        headers: {
          ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
          ...(options.tenant === undefined ? {} : { 'gantry-tenant': options.tenant }),
          ...(request.body === undefined
            ? {}
            : {
                'content-type': route.takesBytes === true ? 'application/octet-stream' : 'application/json',
              }),
          ...(call.idempotencyKey === undefined ? {} : { 'idempotency-key': call.idempotencyKey }),
          ...(call.ifMatch === undefined ? {} : { 'if-match': `"${call.ifMatch}"` }),
        },
        ...bodyOf(route, request.body),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
    } catch (error) {
      if (call.signal?.aborted === true) throw error;
      throw new ApiError({
        code: 'unreachable',
        status: 0,
        message: `nothing answers at ${base}`,
        hint: 'is it up? gantry up; another server? gantry login URL',
        cause: error,
      });
    }
    if (!response.ok) throw await toApiError(response);
    return response;
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
    async *watch(name, request, options) {
      const response = await ask(name, request, options);
      if (response.body !== null) yield* parseServerEvents(response.body);
    },
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

/** A stream goes out as it is read (`duplex` is what fetch calls that); everything else as JSON. */
function bodyOf(route: RouteDefinition, body: unknown): RequestInit {
  if (body === undefined) return {};
  if (route.takesBytes !== true) return { body: JSON.stringify(body) };
  return { body, duplex: 'half' } as RequestInit;
}

async function toApiError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: ConstructorParameters<typeof ApiError>[0] };
    return new ApiError({ ...error, status: response.status });
  } catch {
    return new ApiError({
      code: 'bad_answer',
      status: response.status,
      message: `the server answered ${response.status} and no JSON`,
      hint: 'is this a gantry server?',
    });
  }
}
