/** The route table → an HTTP server. What is refused here never reaches a handler. */
import { type RequestListener, createServer as createPlainServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { GantryError, type RouteDefinition, type RouteName, routes, versionHeader } from '@gantry/contract';
import { gantryVersion, createId } from '@gantry/kit';
import { type FastifyInstance, fastify } from 'fastify';
import { createAuthThrottle } from './auth-throttle.ts';
import { createAuthenticate } from './authenticate.ts';
import { toErrorReply } from './error-reply.ts';
import { type HttpMeter, createHttpMeter } from './http-meter.ts';
import { listenProblem } from './listen-problem.ts';
import { byteType, createRouteHandler } from './route-handler.ts';
import { addServicePages } from './service-pages.ts';
import type { HttpServer, HttpServerOptions } from './types.ts';

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const stopping = new AbortController();
  const app: FastifyInstance = fastify({
    bodyLimit: options.bodyLimitBytes,
    logger: false,
    // HEAD of a stream would never end.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 300 },
    forceCloseConnections: true,
    // Refused before any route and hook is known.
    frameworkErrors: (error, request, { raw }) => {
      const { status, body } = toErrorReply(error, request.id);
      raw
        .writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'x-request-id': request.id })
        .end(JSON.stringify(body));
    },
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : createId('req');
    },
    serverFactory: (handler) => {
      const listener: RequestListener = (request, response) => {
        const raw = Object.entries(options.raw).find(([prefix]) => request.url?.startsWith(prefix));
        if (raw === undefined) handler(request, response);
        else raw[1](request, response);
      };
      const server =
        options.tls === undefined
          ? createPlainServer(listener)
          : createTlsServer({ ...options.tls }, listener);
      // A working directory of the largest size over a slow line; headers must come at once.
      server.requestTimeout = 30 * 60_000;
      server.headersTimeout = 30_000;
      return server;
    },
  });
  app.addContentTypeParser(byteType, (_request, body, done) => done(null, body));
  const meter = createHttpMeter();
  const paths: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    paths.push(...[method].flat().map((each) => `${each} ${url}`));
  });
  answerProblems(app, options, meter);

  const authenticate = createAuthenticate(options, createAuthThrottle('keys'));
  const throttle = createAuthThrottle('tokens');
  for (const [name, route] of Object.entries(routes) as [RouteName, RouteDefinition][]) {
    app.route({
      method: route.method,
      url: route.path,
      handler: createRouteHandler(name, route, {
        options,
        throttle,
        stopping: stopping.signal,
        authenticate,
      }),
    });
  }
  addServicePages(app, { ...options, meter, authenticate });
  await app.ready();

  return {
    paths,
    listen: async ({ host, port }) => {
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw listenProblem(error, { host, port });
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

/** Errors, unknown paths and methods; the request's id on every answer and in the log. */
function answerProblems(app: FastifyInstance, options: HttpServerOptions, meter: HttpMeter): void {
  app.addHook('onSend', async (request, reply) => {
    void reply.headers({ 'x-request-id': request.id, [versionHeader]: gantryVersion });
  });
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode } = reply.raw;
    meter.note({ route: request.routeOptions.url ?? '', status: statusCode, ms: reply.elapsedTime });
    options.logger.info(
      {
        requestId: request.id,
        method: request.method,
        path: request.routeOptions.url ?? request.url.split('?')[0],
        status: statusCode,
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
    const others = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter(
      (method) => method !== request.method && app.findRoute({ method, url: path }) !== null,
    );
    if (others.length > 0) void reply.header('allow', others.join(', '));
    const answer = toErrorReply(
      others.length > 0
        ? new GantryError('method_not_allowed', `${request.method} is not possible on ${path}`, {
            hint: `possible: ${others.join(', ')}`,
          })
        : new GantryError('not_found', `there is nothing at ${path}`, {
            hint: 'the API is described at /openapi.json',
          }),
      request.id,
    );
    return reply.code(answer.status).send(answer.body);
  });
}
