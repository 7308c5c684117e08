/** Each kind of server that somebody else runs: its health and capacity as read, and a request through the gateway. */
import { remoteEngines, type RemoteEngine } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { createGatewayHarness, type GatewayHarness } from '../testing/gateway-harness.ts';
import { createGrpcDouble } from '../testing/grpc-double.ts';
import { createRemoteDouble, modelName, type RemoteDouble } from '../testing/remote-double.ts';
import type { Route } from '../routes/route.ts';
import type { RemoteOrigin, RemoteSignature } from './remote-origin.ts';

const originOf = (engine: RemoteEngine, { url }: RemoteDouble, extra: Partial<RemoteOrigin> = {}) => ({
  url,
  engine,
  mayBePrivate: true,
  ...extra,
});
const routeTo = (origins: readonly RemoteOrigin[], extra: Partial<Route> = {}): Route => ({
  endpointId: 'ep-remote',
  endpointName: 'doubler',
  revisions: [
    {
      revisionId: 'doubler-1',
      modelVersion: modelName,
      upstreamModel: modelName,
      weight: 100,
      replicas: origins.map((origin) => ({ replicaId: origin.url, origin, ready: true })),
    },
  ],
  ...extra,
});
const complete = (harness: GatewayHarness) =>
  harness.post('/v1/completions', { model: 'doubler', prompt: 'hello' });
const infer = (harness: GatewayHarness, data = [1, 2, 3, 4]) =>
  harness.post('/v2/models/doubler/infer', {
    id: '7',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], data }],
  });

const capacities: Readonly<Partial<Record<RemoteEngine, object>>> = {
  vllm: { contextTokens: 8192 },
  sglang: { slots: 48, contextTokens: 4096 },
  'llama-server': { slots: 6, contextTokens: 2048 },
  triton: { slots: 24 },
  oip: { signature: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }] } },
  tfserving: { signature: { outputs: [{ name: 'y', datatype: 'FP64', shape: [-1, 2] }] } },
};
const generates: ReadonlySet<RemoteEngine> = new Set(['openai', 'vllm', 'sglang', 'llama-server']);

/** Every kind over HTTP, and those that speak gRPC over that too. */
const servers: readonly { readonly engine: RemoteEngine; readonly wire: 'HTTP' | 'gRPC' }[] = [
  ...remoteEngines.map((engine) => ({ engine, wire: 'HTTP' as const })),
  ...(['oip', 'triton', 'openvino'] as const).map((engine) => ({ engine, wire: 'gRPC' as const })),
];

describe.each(servers)('$engine over $wire', ({ engine, wire }) => {
  const start = () => (wire === 'gRPC' ? createGrpcDouble() : createRemoteDouble(engine));
  const ask = (harness: GatewayHarness) => (generates.has(engine) ? complete(harness) : infer(harness));

  it('says when it is ready and what it takes, when it loads, and when it is gone', async () => {
    await using harness = await createGatewayHarness();
    const double = await start();
    const look = () => harness.gateway.lookAtRemote(originOf(engine, double), modelName, true);
    expect(await look()).toMatchObject({ state: 'ready', ...capacities[engine] });
    double.state = 'loading';
    expect(await look()).toMatchObject({ state: 'unready' });
    double.key = 'sesame';
    expect(await look()).toMatchObject({ state: 'refused' });
    await double[Symbol.asyncDispose]();
    expect(await look()).toMatchObject({ state: 'unreachable' });
  });

  it('answers a client of the gateway in the client’s dialect, under its own name and credentials', async () => {
    await using harness = await createGatewayHarness();
    await using double = await start();
    double.key = 'sesame';
    const origin = originOf(engine, double, { bearer: 'sesame' });
    const { signature } = await harness.gateway.lookAtRemote(origin, modelName, true);
    harness.gateway.setRoutes('acme', [
      routeTo([signature === undefined ? origin : { ...origin, signature }]),
    ]);
    const answer = await ask(harness);
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as Record<string, unknown>;
    if (generates.has(engine)) {
      expect(body).toMatchObject({ choices: [{ text: 'hello!' }] });
      expect(harness.meter).toMatchObject([{ promptTokens: 2, completionTokens: 1, status: 200 }]);
    } else expect(body).toMatchObject({ outputs: [{ shape: [2, 2], data: [2, 4, 6, 8] }] });
    const last = double.asked.at(-1);
    expect(last?.headers).toMatchObject({ authorization: 'Bearer sesame' });
    // It is no business of theirs whose request this is.
    expect(JSON.stringify(last)).not.toMatch(/acme|sk-/);
  });

  it('has its own refusals told in the client’s dialect', async () => {
    await using harness = await createGatewayHarness();
    await using double = await start();
    harness.gateway.setRoutes('acme', [routeTo([originOf(engine, double)])]);
    double.refuses = 400;
    const wrong = await ask(harness);
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: expect.anything() }]);
    double.refuses = 429;
    expect((await ask(harness)).status).toBe(429);
    expect(harness.meter.map(({ status }) => status)).toEqual([400, 429]);
  });

  it('is given up when it says nothing, and another answers when it dies', async () => {
    await using harness = await createGatewayHarness({ firstByteTimeoutMs: 200, maxAttempts: 1 });
    await using double = await start();
    double.fault = 'silent';
    harness.gateway.setRoutes('acme', [routeTo([originOf(engine, double)])]);
    expect((await ask(harness)).status).toBe(504);
    double.fault = 'dies';
    await using again = await createGatewayHarness();
    await using spare = await start();
    again.gateway.setRoutes('acme', [routeTo([double, spare].map((each) => originOf(engine, each)))]);
    const answers = [await ask(again), await ask(again)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(double.asked.length).toBeGreaterThan(0);
  });
});

describe('a tensor server of another dialect', () => {
  it('is TorchServe: its ready workers and their batches are counted where its management listens', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('torchserve');
    const origin = originOf('torchserve', double);
    expect(await harness.gateway.lookAtRemote(origin, modelName, true)).toEqual({ state: 'ready' });
    const managementPort = Number(new URL(double.url).port);
    const look = await harness.gateway.lookAtRemote({ ...origin, managementPort }, modelName, true);
    expect(look).toEqual({ state: 'ready', slots: 8 });
  });

  it('gives its outputs the names and types it told of', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('tfserving');
    const origin = originOf('tfserving', double);
    const look = await harness.gateway.lookAtRemote(origin, modelName, true);
    const signature = look.signature as RemoteSignature;
    harness.gateway.setRoutes('acme', [routeTo([{ ...origin, signature }])]);
    expect(await (await infer(harness)).json()).toMatchObject({
      id: '7',
      model_name: 'doubler',
      outputs: [{ name: 'y', datatype: 'FP64' }],
    });
    const metadata = await fetch(`${harness.baseUrl}/v2/models/doubler`, {
      headers: { authorization: 'Bearer sk-acme' },
    });
    expect(await metadata.json()).toMatchObject({ name: 'doubler', inputs: [{ name: 'x' }] });
  });

  it('refuses what cannot be said in its dialect, and tells its own errors in the client’s', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('tfserving');
    harness.gateway.setRoutes('acme', [routeTo([originOf('tfserving', double)])]);
    const ragged = await infer(harness, [1, 2, 3]);
    expect([ragged.status, await ragged.json()]).toMatchObject([
      400,
      { error: expect.stringContaining('its shape holds 4') },
    ]);
    const unknown = await harness.post('/v2/models/doubler/infer', {
      inputs: [{ name: 'z', datatype: 'FP32', shape: [1], data: [1] }],
    });
    expect([unknown.status, await unknown.json()]).toEqual([400, { error: 'no input x' }]);
    const binary = await harness.post('/v2/models/doubler/infer', '{}', {
      headers: { 'inference-header-content-length': '2' },
    });
    expect([binary.status, ((await binary.json()) as { error: string }).error]).toEqual([
      400,
      expect.stringContaining('JSON only'),
    ]);
  });
});

describe('a provider', () => {
  it('that refuses the endpoint’s credentials is not told to the caller as a wrong key of theirs', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('openai');
    double.key = 'changed';
    harness.gateway.setRoutes('acme', [routeTo([originOf('openai', double, { bearer: 'old' })])]);
    const answer = await complete(harness);
    expect([answer.status, await answer.text()]).toEqual([502, expect.stringContaining('credentials')]);
  });

  it('that lists other models than its own is ready as its health path says', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('vllm');
    // As `transformers serve`: its list is of the models in its cache.
    const origin = originOf('openai', double);
    const look = (extra: Partial<RemoteOrigin>, model = 'unlisted') =>
      harness.gateway.lookAtRemote({ ...origin, ...extra }, model, true);
    expect(await look({})).toEqual({
      state: 'unready',
      message: 'not ready for unlisted (/v1/models: 200)',
    });
    expect(await look({ healthPath: '/health' })).toEqual({ state: 'ready' });
    double.state = 'loading';
    expect(await look({ healthPath: '/health' })).toMatchObject({ state: 'unready' });
  });

  it('that has no room hands over to the fallback, or says when to come back', async () => {
    await using harness = await createGatewayHarness();
    await using busy = await createRemoteDouble('openai');
    await using spare = await createRemoteDouble('openai');
    busy.refuses = 429;
    const route = routeTo([originOf('openai', busy)]);
    harness.gateway.setRoutes('acme', [route]);
    const alone = await complete(harness);
    expect([alone.status, alone.headers.get('retry-after')]).toEqual([429, '7']);
    const other = { ...routeTo([originOf('openai', spare)]), endpointId: 'ep-2', endpointName: 'spare' };
    harness.gateway.setRoutes('acme', [{ ...route, fallback: 'spare' }, other]);
    const answer = await complete(harness);
    expect([answer.status, answer.headers.get('x-gantry-fallback')]).toEqual([200, 'spare']);
  });

  it('is asked under the path that its URL names, which may end as the dialect begins', async () => {
    await using harness = await createGatewayHarness();
    await using double = await createRemoteDouble('openai');
    for (const path of ['/gateway/v1', '/gateway/v1/', '/gateway']) {
      const origin = originOf('openai', { ...double, url: `${double.url}${path}` });
      harness.gateway.setRoutes('acme', [routeTo([origin])]);
      expect((await complete(harness)).status).toBe(200);
    }
    const paths = new Set(double.asked.map(({ path }) => path));
    expect([...paths]).toEqual(['/gateway/v1/completions']);
  });
});
