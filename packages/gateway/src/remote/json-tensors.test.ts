/** A server that reads tensors as JSON only, as MLServer 1.7 and KServe do, behind clients that send them in binary. */
import { credentials, Metadata } from '@grpc/grpc-js';
import { binaryHeader } from '@gantry/contract/foreign/oip';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startGrpcFront } from '../grpc/grpc-front.ts';
import { openInferenceService } from '../grpc/open-inference-service.ts';
import { createGatewayHarness } from '../testing/gateway-harness.ts';

const least = -(2n ** 63n);
const raw = Buffer.from(BigInt64Array.of(least, 7n, 2n ** 53n + 1n).buffer);
const tensor = { name: 'x', datatype: 'INT64', shape: [3] };

/** Answers with the values of its input, which must be JSON. */
async function start() {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const pages: Readonly<Record<string, string>> = {
        '/v2': '{"name":"mlserver","version":"1.7.1","extensions":[]}',
        '/v2/models/echo/ready': '{}',
        '/v2/models/echo': '{"name":"echo","inputs":[],"outputs":[]}',
      };
      const page = pages[request.url ?? ''];
      if (page !== undefined) return response.end(page);
      asked.push(body);
      const { datatype, data } =
        /"datatype":"(?<datatype>\w+)".*"data":(?<data>\[.*?\])/.exec(body)?.groups ?? {};
      response.setHeader('content-type', 'application/json');
      return response.end(
        `{"model_name":"echo","id":"7","outputs":[{"name":"y","shape":[3],"datatype":"${datatype}","data":${data}}]}`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const harness = await createGatewayHarness();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const origin = { url, engine: 'oip', mayBePrivate: true } as const;
  const { isJsonOnly } = await harness.gateway.lookAtRemote(origin, 'echo', true);
  expect(isJsonOnly).toBe(true);
  const replicas = [{ replicaId: url, origin: { ...origin, isJsonOnly: true }, ready: true }];
  const revisions = [{ revisionId: 'echo-1', modelVersion: 'oip:echo', weight: 100, replicas }];
  harness.gateway.setRoutes('acme', [{ endpointId: 'ep', endpointName: 'echo', revisions }]);
  return {
    asked,
    gateway: harness.gateway,
    infer: (head: object, tail: Buffer) => {
      const json = Buffer.from(JSON.stringify(head));
      return harness.post('/v2/models/echo/infer', Buffer.concat([json, tail]), {
        headers: { 'content-type': 'application/octet-stream', [binaryHeader]: String(json.length) },
      });
    },
    [Symbol.asyncDispose]: async () => {
      await harness[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('a server that reads JSON only', () => {
  it('gets a binary tensor as numbers with all their digits, and its answer goes back as asked for', async () => {
    await using world = await start();
    const inputs = [{ ...tensor, parameters: { binary_data_size: raw.length } }];
    const binary = await world.infer(
      { inputs, outputs: [{ name: 'y', parameters: { binary_data: true } }] },
      raw,
    );
    const length = Number(binary.headers.get(binaryHeader));
    expect(Buffer.from(await binary.arrayBuffer()).subarray(length)).toEqual(raw);
    expect(world.asked[0]).toContain(`[${least},7,${2n ** 53n + 1n}]`);
    expect(world.asked[0]).not.toContain('binary_data');
    const texts = await world.infer({ inputs }, raw);
    expect(await texts.text()).toContain(`[${least},7,${2n ** 53n + 1n}]`);
  });

  it('answers a gRPC client, whose tensors are binary inside the gateway', async () => {
    await using world = await start();
    await using front = await startGrpcFront({ gateway: world.gateway, host: '127.0.0.1', port: 0 });
    const client = new (openInferenceService())(`127.0.0.1:${front.port}`, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer sk-acme');
    try {
      const answer = await new Promise<{ readonly raw_output_contents: readonly Buffer[] }>(
        (resolve, reject) => {
          const methods = client as unknown as Record<string, (...args: unknown[]) => void>;
          const message = { model_name: 'echo', inputs: [tensor], raw_input_contents: [raw] };
          methods['ModelInfer']?.call(client, message, metadata, (error: Error | null, said: never) =>
            error === null ? resolve(said) : reject(error),
          );
        },
      );
      expect(answer.raw_output_contents[0]).toEqual(raw);
    } finally {
      client.close();
    }
  });

  it.each([
    ['a NaN', 'FP32', Buffer.from(Float32Array.of(1, Number.NaN, 2).buffer)],
    ['bytes that are no text', 'BYTES', Buffer.from([1, 0, 0, 0, 0xff])],
    ['half an element', 'FP64', Buffer.alloc(9)],
  ])('is not asked with %s', async (_what, datatype, tail) => {
    await using world = await start();
    const input = { name: 'x', datatype, shape: [3], parameters: { binary_data_size: tail.length } };
    const answer = await world.infer({ inputs: [input] }, tail);
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining('cannot be said in JSON'),
    ]);
    expect(world.asked).toEqual([]);
  });
});
