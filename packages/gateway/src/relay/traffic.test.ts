import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, replicaAt, until } from '../testing/gateway-harness.ts';

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

  it('gives a revision the requests with its header while it can answer, and users their arm by their own', async () => {
    await using old = await createFakeEngine(completeWith(['old']));
    await using next = await createFakeEngine(completeWith(['next']));
    await using harness = await createGatewayHarness();
    const split = (weight: number, isReady = true): void =>
      harness.gateway.setRoutes('acme', [
        {
          ...chatRoute(old),
          preference: { name: 'X-Beta', value: 'yes', revisionId: 'r2' },
          revisions: [
            ...chatRoute(old).revisions,
            { revisionId: 'r2', modelVersion: 'v2', weight, replicas: [replicaAt(next, 'n', isReady)] },
          ],
        },
      ]);
    const arm = async (headers: Record<string, string>): Promise<string | null> =>
      (await harness.post('/v1/completions', asked, { headers })).headers.get('x-gantry-revision');
    split(0);
    expect([await arm({ 'x-beta': 'yes' }), await arm({ 'x-beta': 'no' }), await arm({})]).toEqual([
      'r2',
      'r1',
      'r1',
    ]);
    split(0, false);
    expect(await arm({ 'x-beta': 'yes' })).toBe('r1');
    split(100);
    const arms = new Map<string, string | null>();
    for (const user of 'abcdefgh') arms.set(user, await arm({ 'x-gantry-user': user }));
    expect(new Set(arms.values())).toEqual(new Set(['r1', 'r2']));
    for (const [user, was] of arms) expect(await arm({ 'x-gantry-user': user })).toBe(was);
  });

  it('leaves out a replica that keeps failing, until no other is left', async () => {
    await using bad = await createFakeEngine((_, response) => {
      response.writeHead(500).end('{}');
    });
    await using good = await createFakeEngine();
    // No time passes: it is not tried again because its two seconds are over.
    await using harness = await createGatewayHarness({ now: () => 1_000 });
    harness.gateway.setRoutes('acme', [chatRoute(bad, good)]);
    for (let i = 0; i < 40; i++) await harness.post('/v1/completions', asked);
    expect(bad.received).toHaveLength(5);
    harness.gateway.setRoutes('acme', [chatRoute(bad)]);
    expect((await harness.post('/v1/completions', asked)).status).toBe(500);
  });

  it('passes on that the time of a request ran out in a queue, and asks nobody again', async () => {
    const outOfTime: Answer = (_, response) => {
      response.writeHead(504).end('{"error":{"code":"timed_out"}}');
    };
    await using one = await createFakeEngine(outOfTime);
    await using two = await createFakeEngine(outOfTime);
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(one, two)]);
    const answer = await harness.post('/v1/completions', asked);
    expect([answer.status, await answer.json()]).toEqual([504, { error: { code: 'timed_out' } }]);
    expect(one.received.length + two.received.length).toBe(1);
    expect(harness.gateway.stats().replicas.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    expect(harness.meter).toMatchObject([{ status: 504 }]);
  });

  it('refuses to hold more than it was told to', async () => {
    await using harness = await createGatewayHarness({ maxHolding: 1, holdMs: 1_000 });
    harness.gateway.setRoutes('acme', [chatRoute()]);
    const answers = await Promise.all([1, 2].map(() => harness.post('/v1/completions', asked)));
    const codes = await Promise.all(
      answers.map(async (each) => ((await each.json()) as { error: { code: string } }).error.code),
    );
    expect(codes.sort()).toEqual(['no_ready_replica', 'overloaded']);
    expect(answers.every((each) => each.headers.get('retry-after') === '1')).toBe(true);
  });

  it('keeps a session on one replica while others come and go', async () => {
    await using one = await createFakeEngine();
    await using two = await createFakeEngine();
    await using three = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(one, two, three)]);
    const headers = { 'x-session-id': 'conversation-7', 'x-gantry-debug': '1' };
    for (let i = 0; i < 6; i++) await harness.post('/v1/completions', asked, { headers });
    const home = [one, two, three].filter(({ received }) => received.length > 0);
    expect(home.map(({ received }) => received.length)).toEqual([6]);
    const others = [one, two, three].filter((engine) => engine !== home[0]);
    harness.gateway.setRoutes('acme', [chatRoute(...others.slice(1), ...home)]);
    const answer = await harness.post('/v1/completions', asked, { headers });
    expect(answer.headers.get('x-gantry-route')).toContain('session');
    expect(home[0]?.received).toHaveLength(7);
  });

  it('turns away the less urgent first when an endpoint has too much to do', async () => {
    const waiting: (() => void)[] = [];
    await using engine = await createFakeEngine((received, response) => {
      waiting.push(() => {
        completeWith(['done'])(received, response);
      });
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [{ ...chatRoute(engine), slots: 1 }]);
    const running = Array.from({ length: 3 }, () => harness.post('/v1/completions', asked));
    await until(() => waiting.length === 3);
    const low = await harness.post('/v1/completions', asked, { headers: { 'x-gantry-priority': '-1' } });
    expect(low.status).toBe(503);
    expect(low.headers.get('retry-after')).toBe('2');
    const usual = harness.post('/v1/completions', asked, { headers: { 'x-gantry-priority': '9' } });
    await until(() => waiting.length === 4);
    for (const finish of waiting) finish();
    expect((await Promise.all([...running, usual])).map(({ status }) => status)).toEqual([
      200, 200, 200, 200,
    ]);
  });

  it('asks the endpoint that is named as fallback, at once where nothing is ready, and never in a circle', async () => {
    await using dead = await createFakeEngine((_received, response) => {
      response.destroy();
    });
    await using spare = await createFakeEngine();
    await using harness = await createGatewayHarness({ maxAttempts: 1 });
    const primary = { ...chatRoute(), fallback: 'spare' };
    const other = { ...chatRoute(spare), endpointId: 'ep-spare', endpointName: 'spare', fallback: 'chat' };
    harness.gateway.setRoutes('acme', [primary, other]);
    const answer = await harness.post('/v1/completions', asked);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-gantry-fallback')).toBe('spare');
    expect(harness.meter.map(({ endpointId, status }) => [endpointId, status])).toEqual([
      ['ep-chat', 503],
      ['ep-spare', 200],
    ]);
    harness.gateway.setRoutes('acme', [{ ...chatRoute(dead), fallback: 'spare' }, other]);
    expect((await harness.post('/v1/completions', asked)).status).toBe(200);
    harness.gateway.setRoutes('acme', [
      { ...chatRoute(dead), fallback: 'spare' },
      { ...other, revisions: chatRoute(dead).revisions },
    ]);
    expect((await harness.post('/v1/completions', asked)).status).toBe(502);
  });

  it('holds no request for an endpoint that was stopped on purpose', async () => {
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [{ ...chatRoute(), holds: false }]);
    const response = await harness.post('/v1/completions', asked);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('60');
    expect(await response.json()).toMatchObject({ error: { code: 'endpoint_stopped' } });
  });

  it('wakes an endpoint that was scaled to zero and holds the first request until it answers', async () => {
    await using engine = await createFakeEngine();
    const woken: string[] = [];
    await using harness = await createGatewayHarness({ wake: (_, endpointId) => woken.push(endpointId) });
    harness.gateway.setRoutes('acme', [{ ...chatRoute(), revisions: [] }]);
    const answer = harness.post('/v1/completions', asked);
    await until(() => woken.length > 0);
    expect(harness.gateway.takeLoads().get('ep-chat')).toMatchObject({ queue: 1, arrivals: 1 });
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    expect((await answer).status).toBe(200);
    expect(woken).toContain('ep-chat');
  });
});
