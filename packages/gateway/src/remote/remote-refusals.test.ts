/** What real servers said to wrong requests, and what the gateway makes of it. */
import type { RemoteEngine } from '@gantry/contract';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createGatewayHarness } from '../testing/gateway-harness.ts';

interface Said {
  readonly engine: RemoteEngine;
  readonly to: string;
  readonly status: number;
  readonly body: string;
  readonly becomes: number;
  readonly error: string;
}

const traceback = 'Traceback (most recent call last):\n  File "/opt/x.py", line 165, in __call__\n';
const said: readonly Said[] = [
  {
    engine: 'triton',
    to: 'lists of two lengths',
    status: 500,
    body: '{"error":"Unable to parse \'data\': Shape does not match true shape of \'data\' field"}',
    becomes: 400,
    error: "Unable to parse 'data': Shape does not match true shape of 'data' field",
  },
  {
    engine: 'triton',
    to: 'half a JSON',
    status: 500,
    body: '{"error":"failed to parse the request JSON buffer: Missing a name for object member. at 1"}',
    becomes: 400,
    error: 'failed to parse the request JSON buffer: Missing a name for object member. at 1',
  },
  {
    engine: 'triton',
    to: 'a model that fails',
    status: 500,
    body: '{"error":"Failed to process the request(s) for model instance"}',
    becomes: 500,
    error: 'Failed to process the request(s) for model instance',
  },
  {
    engine: 'torchserve',
    to: 'values that the handler cannot take',
    status: 503,
    body: '{"code": 503, "type": "InternalServerException", "message": "Prediction failed"}',
    becomes: 500,
    error: 'Prediction failed',
  },
  {
    engine: 'oip',
    to: 'a tensor without data, at MLServer',
    status: 422,
    body: '{"detail":[{"type":"missing","loc":["body","inputs",0,"data"],"msg":"Field required"}]}',
    becomes: 422,
    error: 'body.inputs.0.data: Field required',
  },
  {
    engine: 'oip',
    to: 'a shape that its data does not have, at MLServer',
    status: 500,
    body: `${traceback}ValueError: cannot reshape array of size 1 into shape (1,2)\n`,
    becomes: 500,
    error: 'ValueError: cannot reshape array of size 1 into shape (1,2)',
  },
];

describe('a refusal of a tensor server', () => {
  it.each(said)('$engine to $to: $status is $becomes, said once', async (each) => {
    let asked = 0;
    const server = createServer((request, response) => {
      asked++;
      request.resume();
      response.writeHead(each.status).end(each.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await using harness = await createGatewayHarness();
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const origin = { url, engine: each.engine, mayBePrivate: true };
      harness.gateway.setRoutes('acme', [
        {
          endpointId: 'ep',
          endpointName: 'doubler',
          revisions: [
            {
              revisionId: 'doubler-1',
              modelVersion: 'm',
              weight: 100,
              replicas: [{ replicaId: url, origin, ready: true }],
            },
          ],
        },
      ]);
      const answer = await harness.post('/v2/models/doubler/infer', {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
      });
      expect([answer.status, await answer.json(), asked]).toEqual([each.becomes, { error: each.error }, 1]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
