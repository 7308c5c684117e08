/** One route of the contract: authenticate, check the permission, parse, call the handler, answer. */
import { createHash } from 'node:crypto';
import { GantryError, type RouteDefinition, type RouteName, declaredErrors } from '@gantry/contract';
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import type { AuthThrottle } from './auth-throttle.ts';
import { checkText } from './check-text.ts';
import { isNotModified, readIfMatch, toEtag } from './etag.ts';
import { parseWith } from './parse.ts';
import { isAllowed } from './permission.ts';
import { streamRoute } from './stream-route.ts';
import type { HttpServerOptions, Principal, PublicContext, StreamItem } from './types.ts';

/** Bodies of this type reach their handler as a stream, unread. */
export const byteType = 'application/octet-stream';

interface Parts {
  readonly options: HttpServerOptions;
  /** Of the tokens that public routes take. */
  readonly throttle: AuthThrottle;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
  authenticate(request: FastifyRequest): Promise<Principal>;
}

interface Input {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

type AnyContext = PublicContext & { readonly principal?: Principal };
type AnyHandler = (context: AnyContext, input: Input) => Promise<unknown> & AsyncIterable<StreamItem>;

export function createRouteHandler(
  name: RouteName,
  route: RouteDefinition,
  parts: Parts,
): RouteHandlerMethod {
  const { options, stopping } = parts;
  const handler = options.handlers[name] as unknown as AnyHandler;
  const declared = new Set(declaredErrors(route));
  /** Clients switch on the codes that the contract names: another one is a bug, told where it happens. */
  const noteUndeclared = (error: unknown, requestId: string): void => {
    if (error instanceof GantryError && !declared.has(error.code))
      options.logger.error(
        { requestId, route: name, code: error.code },
        'the contract does not name this error',
      );
  };

  const contextOf = (request: FastifyRequest, reply: FastifyReply): PublicContext => {
    const leaving = new AbortController();
    reply.raw.on('close', () => leaving.abort());
    return {
      requestId: request.id,
      ifMatchVersion: readIfMatch(request.headers['if-match'], route.conditional === true),
      signal: AbortSignal.any([leaving.signal, stopping]),
      log: options.logger.child({ requestId: request.id }),
    };
  };

  const admit = async (request: FastifyRequest): Promise<Principal | undefined> => {
    if (route.permission === 'public') {
      parts.throttle.check(request.ip);
      return undefined;
    }
    const principal = await parts.authenticate(request);
    if (isAllowed(route.permission, principal.role, principal.scopes)) return principal;
    throw new GantryError('forbidden', `this needs the right to ${route.permission}`, {
      hint: `your role is ${principal.role}, your key has ${principal.scopes.join(', ')}`,
    });
  };

  /** A repeated request under the same key gets the first answer again. */
  const once = (
    request: FastifyRequest,
    context: AnyContext,
    act: () => Promise<unknown>,
  ): Promise<unknown> => {
    const { principal } = context;
    const key = request.headers['idempotency-key'];
    if (route.idempotent !== true || principal === undefined || typeof key !== 'string') return act();
    if (!/^[\x21-\x7e]{1,200}$/.test(key))
      throw new GantryError('bad_request', 'the Idempotency-Key must be 1–200 printable characters', {
        hint: 'a UUID does well',
      });
    const hash = createHash('sha256').update(JSON.stringify(request.body ?? null));
    const known = { tenantId: principal.tenantId, key, route: name, requestHash: hash.digest('hex') };
    // What a create made is shown by the `get` of the same resource.
    const show = options.handlers[name.replace(/[^.]+$/, 'get') as RouteName] as unknown as AnyHandler;
    return options.idempotency.run(known, act, (id) =>
      show(context, { params: { name: id }, query: undefined, body: undefined }),
    );
  };

  return async (request, reply) => {
    if (stopping.aborted)
      throw new GantryError('shutting_down', 'this server is stopping', { hint: 'try again in a moment' });
    const principal = await admit(request);
    const known = contextOf(request, reply);
    const context = principal === undefined ? known : { ...known, principal };
    for (const part of ['params', 'query', 'body'] as const)
      checkText(request[part], part === 'params' ? 'path' : part);
    const input: Input = {
      params: request.params,
      query:
        route.query === undefined
          ? undefined
          : parseWith(route.query, withLastEventId(name, request), 'query'),
      body: bodyOf(route, request),
    };
    if (route.stream !== undefined) {
      const { stream: kind, permission } = route;
      await streamRoute(reply, context, {
        kind,
        permission,
        held: options.heldStreams,
        items: (signal) => handler({ ...context, signal }, input),
        noteError: noteUndeclared,
      });
      return reply;
    }
    const result = await once(request, context, () =>
      handler(context, input).catch((error: unknown) => {
        noteUndeclared(error, request.id);
        if (principal === undefined && (error as { status?: number }).status === 401)
          parts.throttle.failed(request.ip);
        throw error;
      }),
    );
    if (route.method !== 'GET')
      options.audit({
        route: name,
        tenant: principal?.tenantName,
        user: principal?.userName,
        requestId: request.id,
        params: request.params,
      });
    const json = JSON.stringify(result);
    const etag = toEtag(result, json);
    void reply.header('etag', etag);
    if (route.method === 'GET' && isNotModified(request.headers['if-none-match'], etag))
      return reply.code(304).send();
    return reply
      .code(route.successStatus ?? 200)
      .type('application/json; charset=utf-8')
      .send(json);
  };
}

function bodyOf(route: RouteDefinition, request: FastifyRequest): unknown {
  if (route.takesBytes === true) {
    if (request.body === undefined || request.headers['content-type'] !== byteType)
      throw new GantryError('unsupported_media_type', `this takes bytes: content-type ${byteType}`);
    return request.body;
  }
  return route.body === undefined ? undefined : parseWith(route.body, request.body ?? {}, 'body');
}

/** A browser's EventSource resumes with a header; here it is the query's `since`. */
function withLastEventId(name: RouteName, request: FastifyRequest): unknown {
  const last = request.headers['last-event-id'];
  const query = request.query as Record<string, unknown>;
  return name === 'events.watch' && typeof last === 'string' && query['since'] === undefined
    ? { ...query, since: last }
    : query;
}
