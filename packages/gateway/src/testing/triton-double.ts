/** Triton over gRPC as far as a gateway sees it, with one decoupled model: a request with the input `n` is answered n times. */
import {
  Server,
  ServerCredentials,
  status,
  type ServerDuplexStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { openInferenceService } from '../grpc/open-inference-service.ts';

interface Asked {
  readonly id: string;
  readonly model_name: string;
  readonly raw_input_contents: readonly Buffer[];
}

export interface TritonDouble extends AsyncDisposable {
  readonly url: string;
  /** Ends a stream with an error after so many answers. */
  failsAfter: number | undefined;
  /** Answers wait between each other until this resolves. */
  gate: Promise<void>;
  readonly cancelled: () => number;
}

type Done = sendUnaryData<object>;

/** `INT32` 0, 1, 2 …, the last marked as Triton marks it. */
const answer = ({ id, model_name }: Asked, index: number, count: number) => ({
  infer_response: {
    model_name,
    model_version: '1',
    id,
    parameters: { triton_final_response: { bool_param: index === count - 1 } },
    outputs: [{ name: 'index', datatype: 'INT32', shape: ['1'] }],
    raw_output_contents: [Buffer.from(Int32Array.of(index).buffer)],
  },
});

export async function createTritonDouble(): Promise<TritonDouble> {
  const server = new Server();
  let cancelled = 0;
  server.addService(openInferenceService().service, {
    ModelReady: (_call: unknown, done: Done) => done(null, { ready: true }),
    ModelMetadata: (_call: unknown, done: Done) =>
      done(null, { name: 'repeat', inputs: [{ name: 'n', datatype: 'INT32', shape: ['1'] }], outputs: [] }),
    ModelConfig: (_call: unknown, done: Done) =>
      done(null, {
        config: { name: 'repeat', max_batch_size: 4, instance_group: [{ count: 2 }, { count: 1 }] },
      }),
    ModelInfer: (_call: unknown, done: Done) =>
      done({ code: status.UNIMPLEMENTED, details: 'a decoupled model answers streams only' }),
    ModelStreamInfer: (call: ServerDuplexStream<Asked, object>) => {
      call.on('cancelled', () => cancelled++);
      void (async () => {
        for await (const asked of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Asked>) {
          const count = asked.raw_input_contents[0]?.readInt32LE(0) ?? 0;
          if (count < 0) call.write({ error_message: 'n must not be negative' });
          for (let index = 0; index < count; index++) {
            if (index === double.failsAfter) return void call.write({ error_message: 'the device fell off' });
            call.write(answer(asked, index, count));
            await double.gate;
          }
        }
        call.end();
      })().catch(() => undefined);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const double: TritonDouble = {
    url: `grpc://127.0.0.1:${port}`,
    failsAfter: undefined,
    gate: Promise.resolve(),
    cancelled: () => cancelled,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
  return double;
}
