/** A slow replica is not waited for where the endpoint says so: whoever answers first is listened to. */
import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';

const silent: Answer = () => undefined;
const ask = { model: 'chat', messages: [{ role: 'user', content: 'hi' }] };
const hedging = { afterMs: 20 };

describe('a hedged request', () => {
  it('is answered by the second replica when the first says nothing, whose work is cancelled; it counts once', async () => {
    await using slow = await createFakeEngine(silent);
    await using fast = await createFakeEngine(completeWith(['quick']));
    await using harness = await createGatewayHarness();
    // Equal loads: the first of the list is asked first.
    harness.gateway.setRoutes('acme', [{ ...chatRoute(slow, fast), hedging }]);
    for (let round = 0; round < 4; round++) {
      const answer = await harness.post('/v1/chat/completions', ask, { headers: { 'x-gantry-debug': '1' } });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ choices: [{ message: { content: 'quick' } }] });
    }
    expect(slow.received.length).toBeGreaterThan(0);
    await until(() => slow.cancelled() === slow.received.length);
    expect(harness.meter.map(({ status, completionTokens }) => [status, completionTokens])).toEqual(
      Array.from({ length: 4 }, () => [200, 1]),
    );
    expect(harness.gateway.stats().replicas.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    // On a busy machine the quick one may be hedged too, and have answered before the other has heard of it.
    const hedges = harness.gateway.stats().series[0]?.hedges;
    expect(hedges).toBeGreaterThanOrEqual(slow.received.length);
    expect(hedges).toBeLessThanOrEqual(4);
  });

  it('streams from whoever begins first', async () => {
    await using slow = await createFakeEngine(silent);
    await using fast = await createFakeEngine(completeWith(['a', 'b']));
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [{ ...chatRoute(slow, fast), hedging }]);
    const answer = await harness.post('/v1/chat/completions', { ...ask, stream: true });
    expect(await answer.text()).toMatch(/"a"[\s\S]*"b"[\s\S]*\[DONE\]/);
  });

  it('goes on with the one that is left when the other dies', async () => {
    await using dying = await createFakeEngine(silent);
    await using late = await createFakeEngine(silent);
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [{ ...chatRoute(dying, late), hedging }]);
    const answering = harness.post('/v1/chat/completions', ask);
    await until(() => dying.received.length + late.received.length === 2);
    late.answer = completeWith(['late']);
    await dying.crash();
    await late.crash();
    await late.restart();
    expect((await answering).status).toBe(200);
  });

  it('waits for the second when the time of the first runs out in its queue', async () => {
    const left: (() => void)[] = [];
    const held: Answer = (_, response) => left.push(() => response.writeHead(504).end('{}'));
    await using one = await createFakeEngine(held);
    await using two = await createFakeEngine(held);
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [{ ...chatRoute(one, two), hedging }]);
    const answering = harness.post('/v1/chat/completions', ask);
    await until(() => left.length === 2);
    left[0]?.();
    await until(() => one.open() + two.open() === 1);
    left[1]?.();
    expect((await answering).status).toBe(504);
    expect([one.received.length, two.received.length]).toEqual([1, 1]);
  });

  it('is not asked twice in a session, of a model that keeps state, without another replica, or when fast', async () => {
    await using one = await createFakeEngine((received, response) => {
      setTimeout(() => completeWith(['slow'])(received, response), 60);
    });
    await using other = await createFakeEngine(completeWith(['x']));
    await using harness = await createGatewayHarness();
    const route = { ...chatRoute(one), hedging };
    harness.gateway.setRoutes('acme', [route]);
    await harness.post('/v1/chat/completions', ask);
    expect(one.received).toHaveLength(1);
    harness.gateway.setRoutes('acme', [{ ...chatRoute(one, other), hedging }]);
    await harness.post('/v1/chat/completions', ask, { headers: { 'x-session-id': 's' } });
    const tensors = { inputs: [], parameters: { sequence_id: 7 } };
    await harness.post('/v2/models/chat/infer', tensors);
    expect(one.received.length + other.received.length).toBe(3);
    harness.gateway.setRoutes('acme', [{ ...chatRoute(other, one), hedging: { afterMs: 60_000 } }]);
    await harness.post('/v1/chat/completions', ask);
    expect(one.received.length + other.received.length).toBe(4);
  });
});
