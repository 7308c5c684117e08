import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { exitCodes } from './exit-codes.ts';
import { describeOutputs, inferOnce } from './infer-once.ts';

const metadata = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 2] },
    { name: 'mask', datatype: 'INT64', shape: [-1] },
  ],
};

/** A model server that doubles the first input it is sent, and remembers the bodies. */
async function modelServer(inputs = metadata.inputs) {
  const bodies: { inputs: { name: string; shape: number[]; data: number[] }[] }[] = [];
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') return response.end(JSON.stringify({ inputs }));
    let text = '';
    for await (const chunk of request) text += String(chunk);
    bodies.push(JSON.parse(text) as (typeof bodies)[number]);
    const [first] = bodies.at(-1)!.inputs;
    if (first!.shape[1] === 3) return response.writeHead(400).end('{"error":"x has 3 columns"}');
    const data = first!.data.map((value) => 2 * value);
    return response.end(
      JSON.stringify({ outputs: [{ name: 'y', datatype: 'FP32', shape: first!.shape, data }] }),
    );
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = (text: string) => inferOnce({ url, key: 'k', endpoint: 'sum', text });
  return { ask, bodies };
}

test('inputs are named, nested as people write them, and outputs come back so', async () => {
  const { ask, bodies } = await modelServer();
  const outputs = await ask('{"x": [[1, 2], [3, 4]], "mask": [1, 0]}');
  expect(bodies[0]?.inputs).toEqual([
    { name: 'x', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] },
    { name: 'mask', datatype: 'INT64', shape: [2], data: [1, 0] },
  ]);
  expect(describeOutputs(outputs)).toBe('  y FP32 [2, 2]  [[2,4],[6,8]]');
});

test('values alone are enough where there is one input', async () => {
  const { ask, bodies } = await modelServer(metadata.inputs.slice(0, 1));
  await ask('[[1, 2]]');
  expect(bodies[0]?.inputs).toMatchObject([{ name: 'x', shape: [1, 2] }]);
});

test.each(['hello', '3', '{}', '{"z": [1]}', '[[1, 2]]'])(
  '%s says nothing of two inputs: what they are and how to write them',
  async (text) => {
    const { ask } = await modelServer();
    await expect(ask(text)).rejects.toMatchObject({
      message: 'sum takes tensors: x FP32 [?, 2], mask INT64 [?]',
      hint: `give them as JSON: gantry endpoint try sum '{"x":[[0,0]],"mask":[0]}'`,
      exitCode: exitCodes.usage,
    });
  },
);

test('what the model refuses is told in its words', async () => {
  const { ask } = await modelServer();
  await expect(ask('{"x": [[1, 2, 3]]}')).rejects.toMatchObject({
    message: 'the endpoint answered 400: x has 3 columns',
    exitCode: exitCodes.refused,
  });
});
