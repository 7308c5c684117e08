/**
 * One session of ONNX Runtime in a thread of its own: `run` blocks its thread for as long as it computes.
 * Tensors arrive and leave as buffers that change hands, not as copies.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type * as OnnxRuntime from 'onnxruntime-node';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { SessionOptions, ThreadAnswer, ThreadRequest } from './onnx-instance.ts';
import { datatypes, datatypeOfOrt } from '../oip/datatypes.ts';
import { decodeTexts, elementCount, encodeTexts, type WireTensor } from '../oip/wire-tensor.ts';
import { affinities } from './pinned-cores.ts';
import type { TensorInfo } from './tensor-signature.ts';

const port = parentPort;
if (port === null) throw new Error('onnx-thread runs as a worker thread only');
const {
  modelPath,
  threads,
  providers,
  isMapped,
  cores,
  runtime = 'onnxruntime-node',
} = workerData as SessionOptions;
const ort = (await import(runtime)) as Pick<typeof OnnxRuntime, 'InferenceSession' | 'Tensor'>;

function toOrt({ datatype, shape, bytes }: WireTensor): Tensor {
  const type = datatypes[datatype].ort;
  if (type === 'string') return new ort.Tensor('string', [...decodeTexts(bytes, elementCount(shape))], shape);
  const size = datatypes[datatype].bytes as number;
  // A view must start at a multiple of its element's size.
  const whole = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const buffer = whole.buffer as ArrayBuffer;
  const { byteOffset, byteLength } = whole;
  const ArrayType = arrays[type];
  return new ort.Tensor(
    type as 'float32',
    new ArrayType(buffer, byteOffset, byteLength / size) as never,
    shape,
  );
}

const arrays = {
  bool: Uint8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

function fromOrt(name: string, tensor: Tensor): WireTensor {
  const datatype = datatypeOfOrt(tensor.type);
  if (datatype === undefined)
    throw new Error(`the output "${name}" is ${tensor.type}, which has no name here`);
  const { data, dims: shape } = tensor;
  if (Array.isArray(data)) return { name, datatype, shape, bytes: encodeTexts(data) };
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return { name, datatype, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

function infosOf(metadata: readonly InferenceSession.ValueMetadata[]): TensorInfo[] {
  return metadata.map((value) => {
    const datatype = value.isTensor ? datatypeOfOrt(value.type) : undefined;
    if (!value.isTensor || datatype === undefined)
      throw new Error(`"${value.name}" is no tensor of a type that the Open Inference Protocol knows`);
    // Sizes that the file leaves open come as names, unnamed ones as -1.
    const shape = value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1));
    return { name: value.name, datatype, shape };
  });
}

const say = (answer: ThreadAnswer, transfer: ArrayBuffer[] = []): void => {
  port.postMessage(answer, transfer);
};
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  const session = await ort.InferenceSession.create(modelPath, {
    executionProviders: [...providers],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    extra: {
      session: {
        ...(isMapped === true ? { disable_prepacking: '1' } : {}),
        ...(cores === undefined ? {} : { intra_op_thread_affinities: affinities(cores) }),
      },
    },
  });
  port.on('message', (request: ThreadRequest) => {
    if (request.kind === 'close') {
      void session.release().finally(() => port.close());
      return;
    }
    const startedMs = performance.now();
    session
      .run(Object.fromEntries(request.inputs.map((tensor) => [tensor.name, toOrt(tensor)])), [
        ...request.outputs,
      ])
      .then((outputs) => {
        const tensors = request.outputs.map((name) => fromOrt(name, outputs[name] as Tensor));
        const computeMs = performance.now() - startedMs;
        say({ kind: 'done', id: request.id, tensors, computeMs }, ownBuffers(tensors));
      })
      .catch((error: unknown) => say({ kind: 'failed', id: request.id, message: reasonOf(error) }));
  });
  say({
    kind: 'ready',
    signature: { inputs: infosOf(session.inputMetadata), outputs: infosOf(session.outputMetadata) },
  });
} catch (error) {
  say({ kind: 'refused', message: reasonOf(error) });
  port.close();
}

/** Buffers that can be handed over: each once, and whole. */
function ownBuffers(tensors: readonly WireTensor[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { bytes } of tensors) if (bytes.buffer instanceof ArrayBuffer) buffers.add(bytes.buffer);
  return [...buffers];
}
