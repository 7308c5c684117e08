/** What the gateway adds on the way to a replica and on the way back. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Attempt } from './attempt.ts';
import type { ExchangeInput } from './exchange-input.ts';
import type { UpstreamCall } from './inference-request.ts';
import type { LiveRevision } from './route-table.ts';

export function upstreamCall(input: ExchangeInput, { revision }: LiveRevision): UpstreamCall {
  const { request, id, principal, priority } = input;
  const call = request.toUpstream(revision.upstreamModel ?? request.model);
  call.headers['x-request-id'] = id;
  // Prefixes are reused within a tenant only: time to the first token must not tell of another's prompts.
  call.headers['x-gantry-cache-scope'] = principal.tenantId;
  if (priority < 0) call.headers['x-gantry-priority'] = String(priority);
  return call;
}

/** `why`: how it came to this replica, for those who ask with `x-gantry-debug`. */
export function answerHeaders(
  { id, route, isFallback, incoming }: ExchangeInput,
  { revision }: Attempt,
  why: string,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'x-request-id': id,
    'x-gantry-revision': revision.revision.revisionId,
  };
  if (isFallback) headers['x-gantry-fallback'] = route.route.endpointName;
  if (incoming.headers['x-gantry-debug'] !== undefined) headers['x-gantry-route'] = why;
  return headers;
}
