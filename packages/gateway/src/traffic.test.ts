import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine } from './testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, replicaAt } from './testing/gateway-harness.ts';

const asked = { model: 'chat', prompt: 'hi' };

describe('traffic', () => {
  it('tries a revision without weight when it is asked for by name', async () => {
    await using old = await createFakeEngine(completeWith(['old']));
    await using next = await createFakeEngine(completeWith(['next']));
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [
      {
        ...chatRoute(old),
        revisions: [
          ...chatRoute(old).revisions,
          { revisionId: 'r2', modelVersion: 'v2', weight: 0, replicas: [replicaAt(next)] },
        ],
      },
    ]);
    expect(await (await harness.post('/v1/completions', asked)).text()).toContain('old');
    for (const pin of ['r2', 'v2']) {
      const headers = { 'x-gantry-revision': pin };
      const response = await harness.post('/v1/completions', asked, { headers });
      expect(response.headers.get('x-gantry-revision')).toBe('r2');
      expect(await response.text()).toContain('next');
    }
    const missing = await harness.post('/v1/completions', asked, { headers: { 'x-gantry-revision': 'r9' } });
    expect(missing.status).toBe(404);
  });

  it('leaves out a replica that keeps failing, until no other is left', async () => {
    await using bad = await createFakeEngine((_, response) => {
      response.writeHead(500).end('{}');
    });
    await using good = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(bad, good)]);
    for (let i = 0; i < 40; i++) await harness.post('/v1/completions', asked);
    expect(bad.received).toHaveLength(5);
    harness.gateway.setRoutes('acme', [chatRoute(bad)]);
    expect((await harness.post('/v1/completions', asked)).status).toBe(500);
  });

  it('refuses to hold more than it was told to', async () => {
    await using harness = await createGatewayHarness({ maxHolding: 1, holdMs: 300 });
    harness.gateway.setRoutes('acme', [chatRoute()]);
    const answers = await Promise.all([1, 2].map(() => harness.post('/v1/completions', asked)));
    const codes = await Promise.all(
      answers.map(async (each) => ((await each.json()) as { error: { code: string } }).error.code),
    );
    expect(codes.sort()).toEqual(['no_ready_replica', 'overloaded']);
    expect(answers.every((each) => each.headers.get('retry-after') === '1')).toBe(true);
  });
});
