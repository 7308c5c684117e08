/** Whether an equal request was answered before, and where to keep the answer if it was not. */
import type { GatewayContext } from './gateway-context.ts';
import type { InferenceRequest } from './inference-request.ts';
import type { LiveRoute } from './route-table.ts';

export interface CachedAnswer {
  readonly body: Buffer | undefined;
  readonly remember: ((answer: Buffer) => void) | undefined;
}

/** Undefined where the endpoint or the request does not allow it. */
export function cachedAnswer(
  { cache, now }: GatewayContext,
  tenantId: string,
  { route, revisions }: LiveRoute,
  url: string,
  request: InferenceRequest,
): CachedAnswer | undefined {
  const cacheMs = route.cacheMs ?? 0;
  if (cacheMs <= 0 || !request.isDeterministic) return undefined;
  const versions = revisions.filter(({ weight }) => weight > 0).map(({ revision }) => revision.revisionId);
  const key = cache.keyFor([tenantId, route.endpointId, ...versions], url, request.bytes);
  const body = cache.get(key, now());
  return body === undefined
    ? { body, remember: (answer) => cache.set(key, answer, now() + cacheMs) }
    : { body, remember: undefined };
}
