import { type Client, credentials, Metadata, status as codes, type ServiceError } from '@grpc/grpc-js';
import { binaryHeader } from '@gantry/contract/foreign/oip';
import { describe, expect, it } from 'vitest';
import { createFakeEngine, sendJson, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';
import { startGrpcFront } from './grpc-front.ts';
import { openInferenceService } from './open-inference-service.ts';

/** Answers with the first input, in binary, as an engine does that was asked to. */
const echo: Answer = ({ bytes, headers }, response) => {
  const length = Number(headers[binaryHeader]);
  const { inputs, id } = JSON.parse(bytes.toString('utf8', 0, length)) as {
    readonly id?: string;
    readonly inputs: readonly { readonly parameters: { readonly binary_data_size: number } }[];
  };
  const size = inputs[0]?.parameters.binary_data_size ?? 0;
  const json = Buffer.from(
    JSON.stringify({ model_name: 'iris', model_version: '3', id, outputs: [{ ...inputs[0], name: 'y' }] }),
  );
  response.writeHead(200, { [binaryHeader]: json.length });
  response.end(Buffer.concat([json, bytes.subarray(length, length + size)]));
};

async function start(answer: Answer = echo) {
  const engine = await createFakeEngine(answer);
  const harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [{ ...chatRoute(engine), endpointName: 'iris' }]);
  const front = await startGrpcFront({ gateway: harness.gateway, host: '127.0.0.1', port: 0 });
  const client = new (openInferenceService())(`127.0.0.1:${front.port}`, credentials.createInsecure());
  return {
    engine,
    harness,
    client,
    port: front.port,
    /** Resolves with the message, rejects with the gRPC status. */
    call: (method: string, message: object, key: string | undefined = 'sk-acme') =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        const metadata = new Metadata();
        if (key !== '') metadata.set('authorization', `Bearer ${key}`);
        const invoke = (client as unknown as Record<string, (...args: unknown[]) => unknown>)[method];
        invoke?.call(client, message, metadata, (error: ServiceError | null, value: object) => {
          if (error === null) resolve(value as Record<string, unknown>);
          else reject(error);
        });
      }),
    [Symbol.asyncDispose]: async () => {
      (client as Client).close();
      await front[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

const raw = Buffer.from(Float32Array.of(1.5, -2).buffer);
const tensor = { name: 'x', datatype: 'FP32', shape: [1, 2] };

describe('Open Inference Protocol over gRPC', () => {
  it.each([
    ['as it is', {}],
    ['folded to a few kilobytes', { 'grpc.default_compression_algorithm': 2 }],
  ])('refuses a message beyond the limit, %s, before anything looks at it', async (_how, options) => {
    await using world = await start();
    const large = {
      model_name: 'iris',
      inputs: [tensor],
      raw_input_contents: [Buffer.alloc(17 * 1024 ** 2)],
    };
    const port = world.port;
    const client = new (openInferenceService())(`127.0.0.1:${port}`, credentials.createInsecure(), options);
    const ask = (message: object) =>
      new Promise<number>((resolve) => {
        const metadata = new Metadata();
        metadata.set('authorization', 'Bearer sk-acme');
        const invoke = (client as unknown as Record<string, (...args: unknown[]) => unknown>)['ModelInfer'];
        invoke?.call(client, message, metadata, (error: ServiceError | null) => resolve(error?.code ?? 0));
      });
    expect(await ask(large)).toBe(codes.RESOURCE_EXHAUSTED);
    expect(world.engine.received).toHaveLength(0);
    expect(await ask({ ...large, raw_input_contents: [raw] })).toBe(codes.OK);
    (client as Client).close();
  });

  it('tells of the server and of a model', async () => {
    await using world = await start(({ path }, response) => {
      sendJson(response, {
        name: path,
        versions: ['3'],
        platform: 'onnx',
        inputs: [{ ...tensor, shape: [-1, 2] }],
      });
    });
    expect(await world.call('ServerLive', {}, '')).toEqual({ live: true });
    expect(await world.call('ServerReady', {}, '')).toEqual({ ready: true });
    expect(await world.call('ServerMetadata', {}, '')).toMatchObject({ name: 'gantry' });
    expect(await world.call('ModelReady', { name: 'iris' })).toEqual({ ready: true });
    expect(await world.call('ModelMetadata', { name: 'iris' })).toMatchObject({
      name: '/v2/models/iris',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '2'] }],
    });
  });

  it('carries raw and typed tensors to the same bytes, counted like any request', async () => {
    await using world = await start();
    const asked = [
      { inputs: [tensor], raw_input_contents: [raw] },
      { inputs: [{ ...tensor, contents: { fp32_contents: [1.5, -2] } }] },
    ];
    for (const message of asked) {
      expect(await world.call('ModelInfer', { model_name: 'iris', id: 'q', ...message })).toMatchObject({
        model_name: 'iris',
        model_version: '3',
        id: 'q',
        outputs: [{ name: 'y', datatype: 'FP32', shape: ['1', '2'] }],
        raw_output_contents: [raw],
      });
    }
    expect(world.harness.meter.map(({ tenantId, status }) => [tenantId, status])).toEqual([
      ['acme', 200],
      ['acme', 200],
    ]);
  });

  it.each([
    ['no key', {}, '', codes.UNAUTHENTICATED],
    ['a foreign key', {}, 'sk-zeta', codes.NOT_FOUND],
    ['raw contents that do not match', { raw_input_contents: [raw, raw] }, 'sk-acme', codes.INVALID_ARGUMENT],
    [
      'a type that comes raw only',
      { inputs: [{ ...tensor, datatype: 'FP16' }] },
      'sk-acme',
      codes.INVALID_ARGUMENT,
    ],
  ])('refuses %s with its code', async (_what, more, key, code) => {
    await using world = await start();
    const message = { model_name: 'iris', inputs: [tensor], ...more };
    await expect(world.call('ModelInfer', message, key)).rejects.toMatchObject({ code });
  });

  it('passes an engine’s refusal on, and cancels the work of a client that left', async () => {
    await using world = await start((_received, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"error":"the model takes INT64"}');
    });
    await expect(
      world.call('ModelInfer', { model_name: 'iris', inputs: [tensor], raw_input_contents: [raw] }),
    ).rejects.toMatchObject({ code: codes.INVALID_ARGUMENT, details: 'the model takes INT64' });
    world.engine.answer = () => undefined;
    const before = world.engine.received.length;
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer sk-acme');
    const leaving = (world.client as unknown as Record<string, (...args: unknown[]) => { cancel(): void }>)[
      'ModelInfer'
    ]?.call(
      world.client,
      { model_name: 'iris', inputs: [tensor], raw_input_contents: [raw] },
      metadata,
      () => undefined,
    );
    await until(() => world.engine.received.length > before);
    leaving?.cancel();
    await until(() => world.engine.cancelled() === 1);
  });
});
