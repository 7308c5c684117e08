/** What needs no key: health, metrics, the API's description, the page at `/`. Loopback or a proxy guards them. */
import type { FastifyInstance } from 'fastify';
import { toOpenApi } from '../openapi/to-open-api.ts';
import type { HttpServerOptions } from './types.ts';

const exposition = 'text/plain; version=0.0.4; charset=utf-8';

export function addServicePages(
  app: FastifyInstance,
  options: Pick<HttpServerOptions, 'health' | 'metrics' | 'jobMetrics' | 'page'>,
): void {
  app.get('/healthz', async (_request, reply) =>
    reply.code((await options.health.live()) ? 200 : 500).send({ live: true }),
  );
  app.get('/readyz', async (_request, reply) => {
    const state = await options.health.ready();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get('/metrics', async (_request, reply) => reply.type(exposition).send(await options.metrics()));
  app.get('/metrics/jobs', async (_request, reply) =>
    reply.type(exposition).send(await options.jobMetrics()),
  );
  app.get('/openapi.json', async () => toOpenApi());
  app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(await options.page()));
}
