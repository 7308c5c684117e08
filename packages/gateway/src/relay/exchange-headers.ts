/** What the gateway adds on the way to a replica and on the way back. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Attempt } from './attempt.ts';
import type { ExchangeInput } from './exchange-input.ts';
import type { UpstreamCall } from '../requests/inference-request.ts';
import type { Problem } from '../http/problem.ts';
import { isRemote, remotePath, type RemoteOrigin } from '../remote/remote-origin.ts';
import { translateCall, type Translation } from '../remote/translate-call.ts';
import { serverVersionOf } from '../routes/choose-arm.ts';
import type { ReplicaState } from '../routes/replica-state.ts';
import type { LiveRevision } from '../routes/route-table.ts';

/** What to send, and how to read the answer where the server speaks another dialect; or what to say without asking it. */
export function upstreamCall(
  input: ExchangeInput,
  { revision }: LiveRevision,
  replica: ReplicaState,
):
  | { readonly call: UpstreamCall; readonly toAnswer?: Attempt['toAnswer'] }
  | Exclude<Translation, { call: unknown }> {
  const { request, id, principal, priority, route } = input;
  const model = revision.upstreamModel ?? request.model;
  const version = serverVersionOf(route, request.modelVersion);
  const { origin } = replica.replica;
  if (isRemote(origin)) return remoteCall(input, origin, model, version);
  const call = request.toUpstream(model);
  call.headers['x-request-id'] = id;
  // Prefixes are reused within a tenant only: time to the first token must not tell of another's prompts.
  call.headers['x-gantry-cache-scope'] = principal.tenantId;
  if (priority < 0) call.headers['x-gantry-priority'] = String(priority);
  return { call };
}

/** A server of somebody else is told nothing of tenants. */
function remoteCall(
  { request, id }: ExchangeInput,
  origin: RemoteOrigin,
  model: string,
  version: string | undefined,
) {
  const translation =
    request.oip === undefined
      ? undefined
      : translateCall(origin, { ...request.oip, version, bytes: request.bytes }, model);
  if (translation !== undefined && !('call' in translation)) return translation;
  const { call, toAnswer } = translation ?? { call: request.toUpstream(model, version), toAnswer: undefined };
  const headers = { ...call.headers, 'x-request-id': id };
  return {
    call: {
      ...call,
      path: remotePath(origin.url, call.path),
      headers:
        origin.bearer === undefined ? headers : { ...headers, authorization: `Bearer ${origin.bearer}` },
    },
    ...(toAnswer === undefined ? {} : { toAnswer }),
  };
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

/** A provider that refuses the endpoint's own credentials, or has no room: no fault of the caller. */
export function remoteRefusal({ replica }: Attempt, status: number): Problem | undefined {
  if (!isRemote(replica.replica.origin)) return undefined;
  if (status === 429) return { code: 'overloaded' };
  if (status !== 401 && status !== 403) return undefined;
  return {
    code: 'upstream_failed',
    detail: 'The remote server does not take the credentials of this endpoint.',
  };
}
