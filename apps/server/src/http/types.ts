import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Role, RouteInput, RouteName, RouteResponse, Routes } from '@gantry/contract';
import type { HeldByKey } from '@gantry/gateway';
import type { Store } from '@gantry/ports';
import type { Logger } from 'pino';
import type { TlsPair } from './read-tls.ts';

/** Who asks, as the key says. `tenantId` is already the other tenant's when an operator named one. */
export interface Principal {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly userId: string;
  readonly userName: string;
  readonly role: Role;
  readonly scopes: readonly string[];
  readonly keyId: string;
}

/** A public route knows nobody. */
export interface PublicContext {
  readonly requestId: string;
  readonly ifMatchVersion: number | undefined;
  /** Aborted when the client leaves or the server stops. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface RequestContext extends PublicContext {
  readonly principal: Principal;
}

export type StreamItem =
  | { readonly event: string; readonly id?: string; readonly data: unknown }
  | { readonly chunk: string | Uint8Array };

type ContextOf<N extends RouteName> = Routes[N]['permission'] extends 'public'
  ? PublicContext
  : RequestContext;

export type JsonHandler<N extends RouteName> = (
  context: ContextOf<N>,
  input: RouteInput<N>,
) => Promise<RouteResponse<N>>;
export type StreamHandler<N extends RouteName> = (
  context: RequestContext,
  input: RouteInput<N>,
) => AsyncIterable<StreamItem>;

/** One handler a route: a missing one does not compile. */
export type Handlers = {
  readonly [N in RouteName]: Routes[N] extends { stream: string } ? StreamHandler<N> : JsonHandler<N>;
};

export interface HttpServerOptions {
  readonly handlers: Handlers;
  authenticate(secret: string): Promise<Principal | undefined>;
  /** Where open streams are noted, so that they end with their key. */
  readonly heldStreams: Set<HeldByKey<Principal>>;
  resolveTenant(name: string): Promise<{ readonly id: string; readonly name: string } | undefined>;
  /** As the store's `idempotent` promises. */
  readonly idempotency: { readonly run: Store['idempotent'] };
  /** Path prefix → who takes the request whole, before anything is parsed. */
  readonly raw: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;
  readonly health: {
    live(): Promise<boolean>;
    ready(): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }>;
  };
  metrics(): Promise<string>;
  jobMetrics(): Promise<string>;
  /** More than one tenant lives here. */
  isShared(): Promise<boolean>;
  page(): Promise<string>;
  audit(entry: Readonly<Record<string, unknown>>): void;
  readonly logger: Logger;
  readonly bodyLimitBytes: number;
  readonly tls?: TlsPair;
}

export interface HttpServer extends AsyncDisposable {
  /** All that it answers at, as `GET /path`. */
  readonly paths: readonly string[];
  listen(at: { readonly host: string; readonly port: number }): Promise<{ readonly url: string }>;
}
