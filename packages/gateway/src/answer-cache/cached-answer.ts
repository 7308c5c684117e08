/** Whether an equal request of the same tenant was answered before, and where to keep the answer if it was not. */
import type { ExchangeInput } from '../relay/exchange-input.ts';
import type { GatewayContext } from '../gateway-context.ts';

export interface CachedAnswer {
  readonly body: Buffer | undefined;
  readonly remember: ((answer: Buffer) => void) | undefined;
}

/** Undefined where the endpoint or the request does not allow it. */
export function cachedAnswer({ cache, now }: GatewayContext, input: ExchangeInput): CachedAnswer | undefined {
  const { route, revisions } = input.route;
  const { request, principal, incoming } = input;
  const cacheMs = route.cacheMs ?? 0;
  if (cacheMs <= 0 || !request.isDeterministic) return undefined;
  const versions = revisions.filter(({ weight }) => weight > 0).map(({ revision }) => revision.revisionId);
  const { tenantId } = principal;
  const scope = [tenantId, route.endpointId, ...versions];
  const key = cache.keyFor(scope, incoming.url ?? '', request.bytes);
  const body = cache.get(tenantId, key, now());
  return body === undefined
    ? { body, remember: (answer) => cache.set(tenantId, key, answer, now() + cacheMs) }
    : { body, remember: undefined };
}

/** An answer of the gateway's own. */
export function writeWhole({ response, id }: Pick<ExchangeInput, 'response' | 'id'>, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': id,
  });
  response.end(body);
}

export function writeCached({ response, id }: ExchangeInput, body: Buffer): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    'x-request-id': id,
    'x-gantry-cache': 'hit',
  });
  response.end(body);
}
