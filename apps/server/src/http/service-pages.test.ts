/** Whatever the server answers at is a route of the contract, which names its permission, or one of these. */
import { type RouteDefinition, routes } from '@gantry/contract';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createHttpServer } from './http-server.ts';
import type { Handlers } from './types.ts';

/** Who may see what is no route of the contract. */
const pages: Readonly<Record<string, 'everybody' | 'who scrapes'>> = {
  'GET /healthz': 'everybody',
  'GET /readyz': 'everybody',
  'GET /openapi.json': 'everybody',
  'GET /': 'everybody',
  'GET /metrics': 'who scrapes',
  'GET /metrics/jobs': 'who scrapes',
};
const never = (): never => expect.fail('nothing is asked');

test('there is no page without a word on who may see it', async () => {
  await using server = await createHttpServer({
    handlers: {} as Handlers,
    authenticate: never,
    heldStreams: new Set(),
    resolveTenant: never,
    idempotency: { run: never },
    raw: {},
    health: { live: never, ready: never },
    metrics: never,
    jobMetrics: never,
    isShared: never,
    page: never,
    audit: never,
    logger: pino({ level: 'silent' }),
    bodyLimitBytes: 1_024,
  });
  const contract = Object.values(routes as Readonly<Record<string, RouteDefinition>>);
  for (const { permission } of contract) expect(permission).toBeTruthy();
  expect(server.paths.toSorted()).toEqual(
    [...Object.keys(pages), ...contract.map(({ method, path }) => `${method} ${path}`)].toSorted(),
  );
});

test('a page that needs no key tells nothing of tenants', () => {
  const open = Object.values(routes as Readonly<Record<string, RouteDefinition>>).filter(
    ({ permission }) => permission === 'public',
  );
  // A token from an invitation is proof enough; who has none learns nothing.
  expect(open.map(({ path }) => path)).toEqual(['/api/v1/invitations/accept']);
});
