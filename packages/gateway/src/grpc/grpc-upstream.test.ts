/** A gateway before a server that speaks gRPC: HTTP in, gRPC between, the same tensors out. The server is our own front. */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RemoteOrigin } from '../remote/remote-origin.ts';
import { createFakeEngine, sendJson, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';
import { startGrpcFront } from './grpc-front.ts';
import { rawToValues, valuesToRaw } from './tensor-values.ts';

interface Asked {
  readonly id?: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly inputs: readonly {
    readonly name: string;
    readonly parameters: { readonly binary_data_size: number };
  }[];
}

/** Gives every input back as an output of the same name, in binary. */
const echo: Answer = ({ bytes, headers }, response) => {
  const length = Number(headers[binaryHeader]);
  const { id, inputs } = JSON.parse(bytes.toString('utf8', 0, length)) as Asked;
  const json = Buffer.from(JSON.stringify({ model_name: 'iris', id, outputs: inputs }));
  response.writeHead(200, { [binaryHeader]: json.length });
  response.end(Buffer.concat([json, bytes.subarray(length)]));
};

async function start(answer: Answer = echo) {
  const engine = await createFakeEngine(answer);
  const far = await createGatewayHarness();
  far.gateway.setRoutes('acme', [{ ...chatRoute(engine), endpointName: 'iris' }]);
  const front = await startGrpcFront({ gateway: far.gateway, host: '127.0.0.1', port: 0 });
  const near = await createGatewayHarness({ holdMs: 200 });
  const origin: RemoteOrigin = {
    url: `grpc://127.0.0.1:${front.port}`,
    engine: 'oip',
    mayBePrivate: true,
    bearer: 'sk-acme',
  };
  const replicas = [{ replicaId: 'far', origin, ready: true }];
  const revision = { revisionId: 'r', modelVersion: 'v', upstreamModel: 'iris', weight: 100, replicas };
  near.gateway.setRoutes('acme', [{ endpointId: 'e', endpointName: 'flowers', revisions: [revision] }]);
  let isGone = false;
  const leave = async (): Promise<void> => {
    if (isGone) return;
    isGone = true;
    await front[Symbol.asyncDispose]();
  };
  return {
    engine,
    near,
    origin,
    leave,
    infer: (body: unknown, more: { headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
      near.post('/v2/models/flowers/infer', body, more),
    [Symbol.asyncDispose]: async () => {
      await near[Symbol.asyncDispose]();
      await leave();
      await far[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

const matrix = { name: 'x', datatype: 'FP32', shape: [2, 2] };
const raw = Buffer.from(Float32Array.of(1.5, -2, 3, 4).buffer);

describe('a server that speaks gRPC', () => {
  it('is looked at like any: ready with its signature, refusing, gone', async () => {
    await using world = await start((_received, response) =>
      sendJson(response, { name: 'iris', inputs: [{ ...matrix, shape: [-1, 2] }], outputs: [] }),
    );
    const look = (bearer: string) =>
      world.near.gateway.lookAtRemote({ ...world.origin, bearer }, 'iris', true);
    expect(await look('sk-acme')).toEqual({
      state: 'ready',
      signature: { inputs: [{ ...matrix, shape: [-1, 2] }], outputs: [] },
    });
    expect(await look('sk-nobody')).toMatchObject({ state: 'refused' });
    await world.leave();
    expect(await look('sk-acme')).toMatchObject({ state: 'unreachable' });
  });

  it('answers JSON with JSON, nested or flat, texts and whole numbers too', async () => {
    await using world = await start();
    const answer = await world.infer({
      id: '7',
      parameters: { sequence_id: 3, label: 'a', is_last: true, share: 0.5 },
      inputs: [
        {
          ...matrix,
          data: [
            [1.5, -2],
            [3, 4],
          ],
        },
        { name: 'word', datatype: 'BYTES', shape: [2], data: ['hé', ''] },
        { name: 'count', datatype: 'INT64', shape: [1], data: [-9_007_199_254_740_991] },
        { name: 'flag', datatype: 'BOOL', shape: [2], data: [true, false] },
      ],
    });
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      {
        id: '7',
        outputs: [
          { ...matrix, data: [1.5, -2, 3, 4] },
          { name: 'word', data: ['hé', ''] },
          { name: 'count', data: [-9_007_199_254_740_991] },
          { name: 'flag', data: [true, false] },
        ],
      },
    ]);
    const [received] = world.engine.received;
    const json = received?.bytes.toString('utf8', 0, Number(received.headers[binaryHeader])) ?? '';
    expect((JSON.parse(json) as Asked).parameters).toMatchObject({
      sequence_id: 3,
      label: 'a',
      is_last: true,
      share: 0.5,
    });
    expect(world.near.meter).toMatchObject([{ status: 200 }]);
  });

  it('carries binary tensors untouched, and gives each output as it was asked for', async () => {
    await using world = await start();
    const json = Buffer.from(
      JSON.stringify({
        inputs: [{ ...matrix, parameters: { binary_data_size: raw.length } }],
        outputs: [{ name: 'x', parameters: { binary_data: true } }],
      }),
    );
    const answer = await world.infer(Buffer.concat([json, raw]), {
      headers: { 'content-type': 'application/octet-stream', [binaryHeader]: String(json.length) },
    });
    expect(answer.status).toBe(200);
    const length = Number(answer.headers.get(binaryHeader));
    expect(Buffer.from(await answer.arrayBuffer()).subarray(length)).toEqual(raw);
  });

  it('refuses in the client’s dialect what cannot be said, and passes the server’s refusals on', async () => {
    await using world = await start((_received, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"error":"the model takes INT64"}');
    });
    const half = await world.infer({ inputs: [{ name: 'x', datatype: 'BF16', shape: [1], data: [1] }] });
    expect([half.status, await half.json()]).toEqual([
      400,
      { error: expect.stringContaining('BF16 comes in binary') },
    ]);
    const wrong = await world.infer({ inputs: [{ ...matrix, data: [1, 2, 3, 4] }] });
    expect([wrong.status, await wrong.json()]).toEqual([400, { error: 'the model takes INT64' }]);
    await world.leave();
    const gone = await world.infer({ inputs: [{ ...matrix, data: [1, 2, 3, 4] }] });
    expect(gone.status).toBeGreaterThanOrEqual(502);
  });

  it('works no longer for a client that left', async () => {
    await using world = await start(() => undefined);
    const leaving = new AbortController();
    const asked = world.infer({ inputs: [{ ...matrix, data: [1, 2, 3, 4] }] }, { signal: leaving.signal });
    await until(() => world.engine.received.length === 1);
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await until(() => world.engine.cancelled() === 1);
  });
});

describe('values of a tensor', () => {
  it.each([
    ['FP64', fc.double({ noNaN: true })],
    ['INT32', fc.integer()],
    ['UINT8', fc.integer({ min: 0, max: 255 })],
    ['FP16', fc.integer({ min: -2_048, max: 2_048 })],
    ['INT64', fc.maxSafeInteger()],
    ['BOOL', fc.boolean()],
    ['BYTES', fc.string({ unit: 'grapheme' })],
  ] as const)('of %s come back from their bytes', (datatype, value) => {
    fc.assert(
      fc.property(fc.array(value as fc.Arbitrary<unknown>, { maxLength: 20 }), (values) => {
        const bytes = valuesToRaw(datatype, values);
        expect(bytes).toBeDefined();
        expect(rawToValues(datatype, Buffer.concat([Buffer.alloc(1), bytes ?? raw]).subarray(1))).toEqual(
          values,
        );
      }),
      { seed: 7 },
    );
  });

  it('are none where bytes or numbers do not fit the type', () => {
    expect(rawToValues('FP32', Buffer.alloc(3))).toBeUndefined();
    expect(rawToValues('BYTES', Buffer.from([9, 0, 0, 0, 1]))).toBeUndefined();
    expect(valuesToRaw('INT64', [1.5])).toBeUndefined();
    expect(valuesToRaw('UINT8', [256])).toBeUndefined();
    expect(valuesToRaw('INT64', [2n ** 63n])).toBeUndefined();
    expect(valuesToRaw('FP32', ['a'])).toBeUndefined();
    expect(valuesToRaw('FP32', [true])).toBeUndefined();
    expect(valuesToRaw('FP32', [null])).toBeUndefined();
    expect(valuesToRaw('constructor', [1])).toBeUndefined();
  });
});
