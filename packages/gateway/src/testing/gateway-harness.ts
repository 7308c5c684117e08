/** A gateway behind a real HTTP server on the loopback, with one tenant `acme` whose key is `sk-acme`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gateway, GatewayOptions } from '../gateway-api.ts';
import { createGateway } from '../gateway.ts';
import type { MeterRecord } from '../metering/meter-record.ts';
import type { Route, RouteReplica } from '../routes/route.ts';

export interface GatewayHarness extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly baseUrl: string;
  readonly port: number;
  readonly meter: MeterRecord[];
  post(
    path: string,
    body: unknown,
    init?: {
      readonly key?: string;
      readonly signal?: AbortSignal;
      readonly headers?: Record<string, string>;
    },
  ): Promise<Response>;
}

export async function createGatewayHarness(options: Partial<GatewayOptions> = {}): Promise<GatewayHarness> {
  const meter: MeterRecord[] = [];
  const tenants: Readonly<Record<string, string>> = { 'sk-acme': 'acme', 'sk-zeta': 'zeta' };
  const gateway = createGateway({
    authenticate: async (bearer) => {
      const tenantId = tenants[bearer];
      return tenantId === undefined ? undefined : { tenantId, principalId: `user-of-${tenantId}` };
    },
    meter: (record) => meter.push(record),
    holdMs: 5_000,
    ...options,
  });
  const server = createServer((request, response) => {
    gateway.handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;
  return {
    gateway,
    baseUrl,
    port,
    meter,
    post: (path, body, init = {}) =>
      fetch(`${baseUrl}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${init.key ?? 'sk-acme'}`,
          ...init.headers,
        },
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      }),
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function replicaAt(
  engine: { readonly socketPath: string },
  replicaId = engine.socketPath,
  ready = true,
): RouteReplica {
  return { replicaId, origin: { socketPath: engine.socketPath }, ready };
}

/** An endpoint `chat` with one revision `r1` on the given engines. */
export function chatRoute(...engines: readonly { readonly socketPath: string }[]): Route {
  return {
    endpointId: 'ep-chat',
    endpointName: 'chat',
    revisions: [
      {
        revisionId: 'r1',
        modelVersion: 'v1',
        weight: 100,
        replicas: engines.map((engine) => replicaAt(engine)),
      },
    ],
  };
}

/** Resolves once the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
