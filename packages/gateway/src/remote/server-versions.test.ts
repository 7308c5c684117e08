/** Versions and sequences that a connected server keeps itself, as a real Triton (2.51) keeps them. */
import { describe, expect, it } from 'vitest';
import { createGatewayHarness, type GatewayHarness } from '../testing/gateway-harness.ts';
import { createGrpcDouble } from '../testing/grpc-double.ts';
import { createRemoteDouble, modelName, type RemoteDouble } from '../testing/remote-double.ts';
import type { Route } from '../routes/route.ts';

const routeTo = (doubles: readonly RemoteDouble[], extra: Partial<Route> = {}): Route => ({
  endpointId: 'ep-remote',
  endpointName: 'doubler',
  revisions: [
    {
      revisionId: 'doubler-1',
      modelVersion: 'triton:doubler',
      upstreamModel: modelName,
      weight: 100,
      replicas: doubles.map(({ url }) => ({
        replicaId: url,
        origin: { url, engine: 'triton', mayBePrivate: true },
        ready: true,
      })),
    },
  ],
  ...extra,
});
const body = (parameters: object = {}) => ({
  parameters,
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
});
const path = (version: string, verb: string): string => `/v2/models/doubler/versions/${version}${verb}`;
const get = async (harness: GatewayHarness, at: string) => {
  const answer = await fetch(`${harness.baseUrl}${at}`, { headers: { authorization: 'Bearer sk-acme' } });
  return [answer.status, await answer.json()] as const;
};

describe('a version that the server counts itself', () => {
  it('is asked for there: answers, readiness, and its own word where it has none such', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('triton');
    harness.gateway.setRoutes('acme', [routeTo([double])]);
    const answer = await harness.post(path('1', '/infer'), body());
    expect([answer.status, await answer.json()]).toMatchObject([200, { outputs: [{ data: [2, 4] }] }]);
    expect(double.asked.at(-1)?.path).toBe(`/v2/models/${encodeURIComponent(modelName)}/versions/1/infer`);
    const unknown = await harness.post(path('3', '/infer'), body());
    expect([unknown.status, await unknown.text()]).toEqual([404, expect.stringContaining('unknown model')]);
    expect(await get(harness, path('1', '/ready'))).toEqual([200, { name: 'doubler', ready: true }]);
    expect(await get(harness, path('3', '/ready'))).toEqual([
      400,
      { error: 'doubler is not ready in version 3.' },
    ]);
  });

  it('that a gRPC server has not is told at once, and is no failure of it', async () => {
    await using harness = await createGatewayHarness({ holdMs: 30_000 });
    await using double = await createGrpcDouble();
    harness.gateway.setRoutes('acme', [routeTo([double])]);
    double.state = 'loading';
    expect((await get(harness, path('3', '/ready')))[0]).toBe(400);
    expect(double.asked).toHaveLength(1);
    expect(harness.gateway.stats().replicas).toMatchObject([{ failures: 0 }]);
  });

  it('is answered by no other endpoint: a fallback holds another model', async () => {
    await using harness = await createGatewayHarness();
    await using full = await createRemoteDouble('triton');
    await using spare = await createRemoteDouble('triton');
    full.refuses = 429;
    const other = { ...routeTo([spare]), endpointId: 'ep-2', endpointName: 'spare' };
    harness.gateway.setRoutes('acme', [routeTo([full], { fallback: 'spare' }), other]);
    expect((await harness.post(path('1', '/infer'), body())).status).toBe(429);
    expect((await harness.post('/v2/models/doubler/infer', body())).headers.get('x-gantry-fallback')).toBe(
      'spare',
    );
  });
});

describe('a sequence', () => {
  it.each([7, 'a caller’s own \\"name\\"'])('%s stays at the server that began it', async (id) => {
    await using harness = await createGatewayHarness();
    await using one = await createRemoteDouble('triton');
    await using other = await createRemoteDouble('triton');
    harness.gateway.setRoutes('acme', [routeTo([one, other], { slots: 1 })]);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => harness.post('/v2/models/doubler/infer', body({ sequence_id: id }))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect([one.asked.length, other.asked.length].toSorted((a, b) => a - b)).toEqual([0, 12]);
  });

  it('spreads where there are several, and what is none goes where it likes', async () => {
    await using harness = await createGatewayHarness();
    await using one = await createRemoteDouble('triton');
    await using other = await createRemoteDouble('triton');
    harness.gateway.setRoutes('acme', [routeTo([one, other])]);
    for (let id = 1; id <= 24; id++)
      await harness.post('/v2/models/doubler/infer', body({ sequence_id: id }));
    expect(Math.min(one.asked.length, other.asked.length)).toBeGreaterThan(0);
    const before = [one.asked.length, other.asked.length];
    const answers = Array.from({ length: 8 }, () =>
      harness.post('/v2/models/doubler/infer', body({ sequence_id: 0 })),
    );
    await Promise.all(answers);
    expect(one.asked.length).toBeGreaterThan(before[0] ?? 0);
    expect(other.asked.length).toBeGreaterThan(before[1] ?? 0);
  });

  it('is not asked a second time when its server dies over it: the first may have counted', async () => {
    await using harness = await createGatewayHarness();
    await using one = await createRemoteDouble('triton');
    await using other = await createRemoteDouble('triton');
    one.fault = 'dies';
    other.fault = 'dies';
    harness.gateway.setRoutes('acme', [routeTo([one, other])]);
    expect((await harness.post('/v2/models/doubler/infer', body({ sequence_id: 7 }))).status).toBe(502);
    expect(one.asked.length + other.asked.length).toBe(1);
  });
});
