/**
 * What is no route of the contract: health, metrics, the API's description, the page at `/`. Metrics need no key
 * from this machine itself while one tenant lives here: jobs of all share its network. From elsewhere, also through a
 * proxy, they need an operator's.
 */
import { GantryError } from '@gantry/contract';
import { writeMetrics } from '@gantry/kit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { contentPolicy } from '../page/content-policy.ts';
import { toOpenApi } from '../openapi/to-open-api.ts';
import type { HttpMeter } from './http-meter.ts';
import type { HttpServerOptions, Principal } from './types.ts';

const exposition = 'text/plain; version=0.0.4; charset=utf-8';
const loopback = /^(127\.|::1$|::ffff:127\.)/;
/** A page elsewhere that makes its own name lead to this machine still sends that name. */
const localName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;

export interface ServicePageOptions extends Pick<
  HttpServerOptions,
  'health' | 'metrics' | 'jobMetrics' | 'isShared' | 'page'
> {
  readonly meter: HttpMeter;
  authenticate(request: FastifyRequest): Promise<Principal>;
}

export function addServicePages(app: FastifyInstance, options: ServicePageOptions): void {
  const admitScraper = async (request: FastifyRequest): Promise<void> => {
    const isForwarded = ['forwarded', 'x-forwarded-for'].some((header) => header in request.headers);
    const isLocal = loopback.test(request.ip) && localName.test(request.headers.host ?? '');
    if (isLocal && !isForwarded && !(await options.isShared())) return;
    const { role } = await options.authenticate(request);
    if (role !== 'operator')
      throw new GantryError('forbidden', 'metrics show every tenant: they need the key of an operator');
  };

  app.get('/healthz', async (_request, reply) =>
    reply.code((await options.health.live()) ? 200 : 500).send({ live: true }),
  );
  app.get('/readyz', async (_request, reply) => {
    const state = await options.health.ready();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get('/metrics', async (request, reply) => {
    await admitScraper(request);
    return reply.type(exposition).send((await options.metrics()) + writeMetrics(options.meter.families()));
  });
  app.get('/metrics/jobs', async (request, reply) => {
    await admitScraper(request);
    return reply.type(exposition).send(await options.jobMetrics());
  });
  app.get('/openapi.json', async () => toOpenApi());
  app.get('/', async (_request, reply) => {
    const html = await options.page();
    return reply
      .type('text/html; charset=utf-8')
      .headers({
        'content-security-policy': contentPolicy(html),
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-cache',
      })
      .send(html);
  });
}
