/** Streams of a decoupled model behind the gateway: a Triton (a double) that speaks gRPC, clients of gRPC and of HTTP. */
import {
  type Client,
  credentials,
  Metadata,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { EventReader } from '../http/event-reader.ts';
import type { RemoteOrigin } from '../remote/remote-origin.ts';
import { createFakeEngine, sendJson } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, replicaAt, until } from '../testing/gateway-harness.ts';
import { createTritonDouble } from '../testing/triton-double.ts';
import { startGrpcFront } from './grpc-front.ts';
import { openInferenceService } from './open-inference-service.ts';

interface Streamed {
  readonly error_message: string;
  readonly infer_response: {
    readonly id: string;
    readonly parameters: Readonly<Record<string, { readonly bool_param?: boolean }>>;
    readonly raw_output_contents: readonly Buffer[];
  } | null;
}

async function start() {
  const triton = await createTritonDouble();
  const harness = await createGatewayHarness({ holdMs: 200 });
  const origin: RemoteOrigin = { url: triton.url, engine: 'triton', mayBePrivate: true };
  const replicas = [{ replicaId: 'far', origin, ready: true }];
  const revision = { revisionId: 'r', modelVersion: 'v', upstreamModel: 'repeat', weight: 100, replicas };
  harness.gateway.setRoutes('acme', [{ endpointId: 'e', endpointName: 'flow', revisions: [revision] }]);
  const front = await startGrpcFront({ gateway: harness.gateway, host: '127.0.0.1', port: 0 });
  const client = new (openInferenceService())(`127.0.0.1:${front.port}`, credentials.createInsecure());
  return {
    triton,
    harness,
    origin,
    open: (key = 'sk-acme') => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${key}`);
      const streams = client as unknown as { ModelStreamInfer(metadata: Metadata): Stream };
      return listen(streams.ModelStreamInfer(metadata));
    },
    [Symbol.asyncDispose]: async () => {
      (client as Client).close();
      await front[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
      await triton[Symbol.asyncDispose]();
    },
  };
}

type Stream = ClientDuplexStream<object, Streamed>;

function listen(stream: Stream) {
  const said: Streamed[] = [];
  let error: ServiceError | undefined;
  let isOver = false;
  stream.on('data', (message: Streamed) => said.push(message));
  stream.on('end', () => (isOver = true));
  stream.on('error', (found: ServiceError) => {
    error = found;
    isOver = true;
  });
  return { stream, said, error: () => error, isOver: () => isOver };
}

const asking = (n: number, id: string, model = 'flow') => ({
  model_name: model,
  id,
  inputs: [{ name: 'n', datatype: 'INT32', shape: ['1'] }],
  raw_input_contents: [Buffer.from(Int32Array.of(n).buffer)],
});
const numbersOf = (said: readonly Streamed[]): string[] =>
  said.map(({ infer_response: one, error_message: problem }) =>
    problem === '' ? `${one?.id}${one?.raw_output_contents[0]?.readInt32LE(0)}` : `${one?.id}! ${problem}`,
  );

describe('a stream of requests over gRPC', () => {
  it('is answered in order, each request as often as its model says', async () => {
    await using world = await start();
    const { stream, said, isOver } = world.open();
    for (const [n, id] of [
      [3, 'a'],
      [0, 'b'],
      [2, 'c'],
    ] as const)
      stream.write(asking(n, id));
    stream.end();
    await until(isOver);
    expect(numbersOf(said)).toEqual(['a0', 'a1', 'a2', 'c0', 'c1']);
    expect(
      said.map(({ infer_response: one }) => one?.parameters['triton_final_response']?.bool_param),
    ).toEqual([false, false, true, false, true]);
    expect(world.harness.meter).toMatchObject([{ status: 200 }, { status: 200 }, { status: 200 }]);
  });

  it('hands each answer on as it comes', async () => {
    await using world = await start();
    let open = (): void => undefined;
    world.triton.gate = new Promise((resolve) => (open = resolve));
    const { stream, said, isOver } = world.open();
    stream.write(asking(2, 'a'));
    stream.end();
    await until(() => said.length === 1);
    open();
    await until(isOver);
    expect(numbersOf(said)).toEqual(['a0', 'a1']);
  });

  it('goes on after a refusal, and ends for whom it is not', async () => {
    await using world = await start();
    const { stream, said, isOver } = world.open();
    stream.write(asking(-1, 'a'));
    stream.write(asking(1, 'b', 'nowhere'));
    stream.write(asking(1, 'c'));
    stream.end();
    await until(isOver);
    const [first, second, third] = numbersOf(said);
    expect([first, third]).toEqual(['a! n must not be negative', 'c0']);
    expect(second).toContain('b! No such model');
    const stranger = world.open('sk-nobody');
    stranger.stream.write(asking(1, 'a'));
    await until(stranger.isOver);
    expect(stranger.error()?.code).toBe(16);
  });

  it('tells what broke off in the middle, and cancels the work of a client that leaves', async () => {
    await using world = await start();
    world.triton.failsAfter = 1;
    const { stream, said, isOver } = world.open();
    stream.write(asking(3, 'a'));
    stream.end();
    await until(isOver);
    expect(numbersOf(said)).toEqual(['a0', 'a! the device fell off']);
    world.triton.failsAfter = undefined;
    world.triton.gate = new Promise(() => undefined);
    const before = world.triton.cancelled();
    const leaving = world.open();
    leaving.stream.write(asking(3, 'b'));
    await until(() => leaving.said.length === 1);
    leaving.stream.cancel();
    await until(() => world.triton.cancelled() > before);
  });

  it('is answered once each by an engine that knows no streams', async () => {
    await using world = await start();
    await using engine = await createFakeEngine(({ bytes }, response) => {
      const length = bytes.indexOf('}]}') + 3;
      const { id } = JSON.parse(bytes.toString('utf8', 0, length)) as { readonly id: string };
      sendJson(response, { model_name: 'iris', id, outputs: [] });
    });
    world.harness.gateway.setRoutes('acme', [
      {
        ...chatRoute(engine),
        endpointName: 'flow',
        revisions: [{ ...chatRoute(engine).revisions[0]!, replicas: [replicaAt(engine)] }],
      },
    ]);
    const { stream, said, isOver } = world.open();
    stream.write(asking(1, 'a'));
    stream.write(asking(1, 'b'));
    stream.end();
    await until(isOver);
    expect(said.map(({ infer_response: one }) => one?.id)).toEqual(['a', 'b']);
  });
});

describe('a decoupled model asked over HTTP', () => {
  const ask = { inputs: [{ name: 'n', datatype: 'INT32', shape: [1], data: [2] }] };
  const infer = (world: Awaited<ReturnType<typeof start>>, accept: string) =>
    world.harness.post('/v2/models/flow/infer', ask, { headers: { accept } });

  it('answers with events where they are asked for', async () => {
    await using world = await start();
    const answer = await infer(world, 'text/event-stream');
    expect(answer.headers.get('content-type')).toMatch('text/event-stream');
    const events = new EventReader().push(new Uint8Array(await answer.arrayBuffer()));
    expect(events).toMatchObject([
      {
        model_name: 'repeat',
        parameters: { triton_final_response: false },
        outputs: [{ name: 'index', data: [0] }],
      },
      { parameters: { triton_final_response: true }, outputs: [{ data: [1] }] },
    ]);
  });

  it('says that it answers streams only where they are not', async () => {
    await using world = await start();
    const answer = await infer(world, 'application/json');
    expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining('streams only')]);
  });

  it('tells how many requests it computes at once', async () => {
    await using world = await start();
    const look = await world.harness.gateway.lookAtRemote(world.origin, 'repeat', true);
    expect(look).toMatchObject({ state: 'ready', slots: 12 });
  });
});
