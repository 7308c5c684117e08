/** The route table → an HTTP server. Authenticates, checks the permission, parses, calls the handler, answers. */
import { createHash } from 'node:crypto';
import { type RequestListener, createServer as createPlainServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { GantryError, type RouteDefinition, type RouteName, routes } from '@gantry/contract';
import { createId } from '@gantry/kit';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { toOpenApi } from '../openapi/to-open-api.ts';
import { createAuthThrottle } from './auth-throttle.ts';
import { toErrorReply } from './error-reply.ts';
import { parseWith } from './parse.ts';
import { isAllowed } from './permission.ts';
import { streamReply } from './stream-reply.ts';
import type { HttpServer, HttpServerOptions, Principal, RequestContext, StreamItem } from './types.ts';

type AnyHandler = (context: RequestContext, input: unknown) => Promise<unknown> & AsyncIterable<StreamItem>;

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const stopping = new AbortController();
  const throttle = createAuthThrottle();
  const app: FastifyInstance = fastify({
    bodyLimit: options.bodyLimitBytes,
    logger: false,
    routerOptions: { maxParamLength: 300 },
    forceCloseConnections: true,
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : createId('req');
    },
    serverFactory: (handler) => {
      const listener: RequestListener = (request, response) => {
        for (const [prefix, take] of Object.entries(options.raw)) {
          if (request.url?.startsWith(prefix) === true) {
            take(request, response);
            return;
          }
        }
        handler(request, response);
      };
      const server =
        options.tls === undefined
          ? createPlainServer(listener)
          : createTlsServer({ ...options.tls }, listener);
      server.requestTimeout = 120_000;
      server.headersTimeout = 30_000;
      return server;
    },
  });

  const authenticate = async (request: FastifyRequest): Promise<Principal> => {
    const secret = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const hint = 'send "authorization: Bearer KEY"; on this machine: gantry key show';
    if (secret === undefined) throw new GantryError('unauthenticated', 'this needs an API key', { hint });
    throttle.check(request.ip);
    const principal = await options.authenticate(secret);
    if (principal === undefined) {
      throttle.failed(request.ip);
      throw new GantryError('unauthenticated', 'this key is unknown or revoked', { hint });
    }
    const named = request.headers['gantry-tenant'];
    if (typeof named !== 'string' || named === principal.tenantName) return principal;
    const tenant = principal.role === 'operator' ? await options.resolveTenant(named) : undefined;
    if (tenant === undefined) throw new GantryError('forbidden', 'you cannot act for this tenant');
    return { ...principal, tenantId: tenant.id, tenantName: tenant.name };
  };

  const contextOf = (request: FastifyRequest, reply: FastifyReply, principal: Principal): RequestContext => {
    const leaving = new AbortController();
    reply.raw.on('close', () => leaving.abort());
    const match = /^(?:W\/)?"(\d+)"$/.exec(request.headers['if-match'] ?? '');
    return {
      principal,
      requestId: request.id,
      ifMatchVersion: match === null ? undefined : Number(match[1]),
      signal: AbortSignal.any([leaving.signal, stopping.signal]),
      log: options.logger.child({ requestId: request.id }),
    };
  };

  for (const [name, route] of Object.entries(routes) as [RouteName, RouteDefinition][]) {
    const handler = options.handlers[name] as unknown as AnyHandler;
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        if (stopping.signal.aborted)
          throw new GantryError('shutting_down', 'this server is stopping', {
            hint: 'try again in a moment',
          });
        const principal = await authenticate(request);
        if (!isAllowed(route.permission, principal.role, principal.scopes)) {
          throw new GantryError('forbidden', `this needs the right to ${route.permission}`, {
            hint: `your role is ${principal.role}, your key has ${principal.scopes.join(', ')}`,
          });
        }
        const context = contextOf(request, reply, principal);
        const input = {
          params: request.params,
          query:
            route.query === undefined
              ? undefined
              : parseWith(route.query, withLastEventId(name, request), 'query'),
          body: route.body === undefined ? undefined : parseWith(route.body, request.body ?? {}, 'body'),
        };
        if (route.stream !== undefined) {
          const items = handler(context, input);
          reply.hijack();
          try {
            await streamReply(reply.raw, items, route.stream, { 'x-request-id': request.id }, context.signal);
          } catch (error) {
            const answer = toErrorReply(error, request.id);
            reply.raw
              .writeHead(answer.status, { 'content-type': 'application/json' })
              .end(JSON.stringify(answer.body));
          }
          return reply;
        }
        const key = request.headers['idempotency-key'];
        const act = (): Promise<unknown> => handler(context, input);
        const result =
          route.idempotent === true && typeof key === 'string'
            ? await options.idempotency.run(
                principal.tenantId,
                key.slice(0, 200),
                name,
                createHash('sha256')
                  .update(JSON.stringify(request.body ?? null))
                  .digest('hex'),
                act,
              )
            : await act();
        if (route.method !== 'GET')
          options.audit({
            route: name,
            tenant: principal.tenantName,
            user: principal.userName,
            requestId: request.id,
            params: request.params,
          });
        const version = (result as { version?: unknown } | undefined)?.version;
        if (typeof version === 'number') void reply.header('etag', `"${version}"`);
        return reply.code(route.successStatus ?? 200).send(result);
      },
    });
  }

  app.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    options.logger.info(
      {
        requestId: request.id,
        method: request.method,
        path: request.routeOptions.url ?? request.url.split('?')[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
  });
  app.setErrorHandler((error, request, reply) => {
    const answer = toErrorReply(error, request.id);
    if (answer.isInternal)
      options.logger.error(
        { requestId: request.id, error: error instanceof Error ? error.stack : String(error) },
        'a request failed inside',
      );
    if (answer.status === 503) void reply.header('retry-after', '2');
    return reply.code(answer.status).send(answer.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const isOtherMethod = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).some(
      (method) => method !== request.method && app.findRoute({ method, url: path }) !== null,
    );
    const answer = toErrorReply(
      isOtherMethod
        ? new GantryError('method_not_allowed', `${request.method} is not possible on ${path}`)
        : new GantryError('not_found', `there is nothing at ${path}`, {
            hint: 'the API is described at /openapi.json',
          }),
      request.id,
    );
    return reply.code(answer.status).send(answer.body);
  });

  const text = (
    reply: FastifyReply,
    body: string,
    type = 'text/plain; version=0.0.4; charset=utf-8',
  ): FastifyReply => reply.type(type).send(body);
  app.get('/healthz', async (_request, reply) =>
    reply.code((await options.health.live()) ? 200 : 500).send({ live: true }),
  );
  app.get('/readyz', async (_request, reply) => {
    const state = await options.health.ready();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get('/metrics', async (_request, reply) => text(reply, await options.metrics()));
  app.get('/metrics/jobs', async (_request, reply) => text(reply, await options.jobMetrics()));
  app.get('/openapi.json', async () => toOpenApi());
  app.get('/', async (_request, reply) => text(reply, await options.page(), 'text/html; charset=utf-8'));
  await app.ready();

  return {
    listen: async ({ host, port }) => {
      try {
        await app.listen({ host, port });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
        throw new GantryError('port_in_use', `port ${port} is taken`, {
          hint: `use what is there: gantry status; or another: gantry up --port ${port + 1} --data-dir DIR`,
        });
      }
      const address = app.server.address();
      const actual = typeof address === 'object' && address !== null ? address.port : port;
      const shown =
        host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
      return { url: `${options.tls === undefined ? 'http' : 'https'}://${shown}:${actual}` };
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await app.close();
    },
  };
}

/** A browser's EventSource resumes with a header; here it is the query's `since`. */
function withLastEventId(name: RouteName, request: FastifyRequest): unknown {
  const last = request.headers['last-event-id'];
  const query = request.query as Record<string, unknown>;
  return name === 'events.watch' && typeof last === 'string' && query['since'] === undefined
    ? { ...query, since: last }
    : query;
}
