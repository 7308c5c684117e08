import { expect, it } from 'vitest';
import { createFakeEngine, delta, startStream } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';
import { GatewayStats } from './gateway-stats.ts';

it('holds answers against an endpoint’s objective: failures and slow ones miss it, wrong requests do not count', () => {
  const stats = new GatewayStats();
  const series = stats.seriesFor('t', 'chat', { revisionId: 'chat-1', modelVersion: 'lm@1' });
  const note = (status: number, requestMs: number, objectiveMs: number | undefined): void =>
    series.note(
      {
        id: 'r',
        tenantId: 't',
        principalId: 'p',
        endpointId: 'e',
        revisionId: 'chat-1',
        replicaId: 'x',
        promptTokens: 1,
        completionTokens: 1,
        cachedTokens: 0,
        requestMs,
        ttftMs: undefined,
        status,
        isEstimated: false,
      },
      objectiveMs,
    );
  note(200, 90, 100);
  note(200, 100, 100);
  note(200, 101, 100);
  note(503, 5, 100);
  note(400, 5, 100);
  note(499, 5, 100);
  note(200, 5, undefined);
  expect([series.good, series.judged]).toEqual([2, 4]);
  const totals = stats.families([]).filter(({ name }) => name.includes('objective'));
  expect(totals.map(({ samples }) => (samples[0] as { value: number }).value)).toEqual([2, 4]);
});

it('tells latencies, failures and tokens of each replica, while it has a route', async () => {
  // The second token leaves once the client has the first.
  let goOn = (): void => undefined;
  await using quick = await createFakeEngine((_received, response) => {
    startStream(response);
    response.write(delta('a', false));
    goOn = () => response.end(`${delta('b', false)}data: [DONE]\n\n`);
  });
  await using broken = await createFakeEngine((_received, response) => response.writeHead(400).end('{}'));
  await using harness = await createGatewayHarness();
  const ask = async (model: string): Promise<void> => {
    goOn = () => undefined;
    const answer = await harness.post('/v1/completions', { model, prompt: 'a', stream: true });
    for await (const _chunk of answer.body ?? []) goOn();
  };
  const route = (name: string, engine: { readonly socketPath: string }) => ({
    ...chatRoute(engine),
    endpointId: name,
    endpointName: name,
  });
  harness.gateway.setRoutes('acme', [route('one', quick), route('two', broken)]);
  await ask('one');
  await ask('one');
  await ask('two');
  const byReplica = new Map(
    harness.gateway.stats().replicas.map(({ replicaId, series }) => [replicaId, series]),
  );
  const seen = byReplica.get(quick.socketPath);
  expect([seen?.count(() => true), seen?.requestMs.count, seen?.ttftMs.count]).toEqual([2, 2, 2]);
  expect(seen?.interTokenMs.count).toBe(2);
  expect(seen?.labels).toEqual({
    tenantId: 'acme',
    endpointName: 'one',
    revisionId: 'r1',
    modelVersion: 'v1',
    replicaId: quick.socketPath,
  });
  expect(byReplica.get(broken.socketPath)?.count((status) => status === 400)).toBe(1);
  const family = harness.gateway
    .stats()
    .families.find(({ name }) => name === 'gantry_gateway_replica_requests_total');
  expect(family?.samples).toHaveLength(2);
  harness.gateway.setRoutes('acme', [route('two', broken)]);
  expect(harness.gateway.stats().replicas.map(({ replicaId }) => replicaId)).toEqual([broken.socketPath]);
});

it('forgets what was deleted, and all but the newest revisions of what was not', async () => {
  const stats = new GatewayStats();
  for (let revision = 1; revision <= 20; revision++)
    stats.seriesFor('t', 'chat', { revisionId: `chat-${revision}`, modelVersion: 'lm@1' });
  stats.seriesFor('t', 'chatter', { revisionId: 'chatter-1', modelVersion: 'lm@1' });
  expect(stats.series().map(({ labels }) => labels.revisionId)).toEqual([
    ...[13, 14, 15, 16, 17, 18, 19, 20].map((revision) => `chat-${revision}`),
    'chatter-1',
  ]);
  await using engine = await createFakeEngine((_received, response) => response.writeHead(400).end('{}'));
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  await (await harness.post('/v1/completions', { model: 'chat', prompt: 'a' })).text();
  expect(harness.gateway.stats().series).toHaveLength(1);
  expect(harness.gateway.takeLoads().size).toBe(1);
  harness.gateway.setRoutes('acme', []);
  expect(harness.gateway.stats().series).toEqual([]);
  expect(harness.gateway.takeLoads().size).toBe(0);
});
