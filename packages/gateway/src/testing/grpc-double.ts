/** A server of the Open Inference Protocol that speaks gRPC only, with the model of remote-double.ts: it doubles numbers. */
import {
  type Metadata,
  Server,
  ServerCredentials,
  status as codes,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { openInferenceService } from '../grpc/open-inference-service.ts';
import { modelName, type RemoteDouble } from './remote-double.ts';

interface Asked {
  readonly name: string;
  readonly id: string;
  readonly inputs: readonly { readonly shape: readonly string[] }[];
  readonly raw_input_contents: readonly Buffer[];
}

type Call = ServerUnaryCall<Asked, object>;
type Answer = (asked: Asked) => object | { readonly code: number; readonly details: string };

const tensor = { name: 'y', datatype: 'FP32', shape: ['-1', '2'] };
const codeOf: Readonly<Record<number, number>> = {
  400: codes.INVALID_ARGUMENT,
  429: codes.RESOURCE_EXHAUSTED,
};

export async function createGrpcDouble(): Promise<RemoteDouble> {
  const server = new Server();
  const answers: Readonly<Record<string, Answer>> = {
    ModelReady: ({ name }) => ({ ready: double.state === 'ready' && name === modelName }),
    ModelMetadata: ({ name }) => ({ name, inputs: [{ ...tensor, name: 'x' }], outputs: [tensor] }),
    ModelConfig: ({ name }) => ({
      config: { name, max_batch_size: 8, instance_group: [{ count: 2 }, { count: 1 }] },
    }),
    ModelInfer: ({ id, inputs, raw_input_contents: raws }) => {
      if (double.refuses !== undefined)
        return { code: codeOf[double.refuses] ?? codes.INTERNAL, details: 'no' };
      const numbers = new Float32Array(Uint8Array.from(raws[0] ?? []).buffer).map((value) => 2 * value);
      return {
        model_name: modelName,
        id,
        outputs: [{ ...tensor, shape: inputs[0]?.shape ?? [] }],
        raw_output_contents: [Buffer.from(numbers.buffer)],
      };
    },
  };
  const bearerOf = (metadata: Metadata): string => String(metadata.get('authorization')[0] ?? '');
  const implementation = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [
      name,
      (call: Call, done: sendUnaryData<object>) => {
        const headers = { authorization: bearerOf(call.metadata) };
        double.asked.push({ path: name, headers, body: JSON.stringify(call.request) });
        if (double.key !== undefined && headers.authorization !== `Bearer ${double.key}`)
          return done({ code: codes.UNAUTHENTICATED, details: 'who are you' });
        if (name === 'ModelInfer' && double.fault === 'silent') return;
        if (name === 'ModelInfer' && double.fault === 'dies') return server.forceShutdown();
        const said = answer(call.request);
        if ('code' in said) done(said);
        else done(null, said);
      },
    ]),
  );
  server.addService(openInferenceService().service, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const double: RemoteDouble = {
    url: `grpc://127.0.0.1:${port}`,
    asked: [],
    state: 'ready',
    key: undefined,
    refuses: undefined,
    fault: undefined,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
  return double;
}
