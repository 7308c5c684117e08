/** One thread that computes, seen from the outside: a run at a time, each answered once. */
import { createDeferred, type Deferred } from '@gantry/kit';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError } from '../engine-error.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import type { TensorSignature } from './tensor-signature.ts';

export interface SessionOptions {
  readonly modelPath: string;
  /** Threads that one run computes with. */
  readonly threads: number;
  /** ONNX Runtime's execution providers, the preferred first. */
  readonly providers: readonly string[];
  /** Of ONNX Runtime for a device, as a module to import; absent: the installation's own. */
  readonly runtime?: string | undefined;
  /** External weights stay mapped instead of being laid out anew for speed. */
  readonly isMapped?: boolean;
  /** Of its threads but the first; absent: the system's choice. */
  readonly cores?: readonly number[] | undefined;
}

export type ThreadRequest =
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly inputs: readonly WireTensor[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: 'close' };

export type ThreadAnswer =
  | { readonly kind: 'ready'; readonly signature: TensorSignature }
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly tensors: readonly WireTensor[];
      readonly computeMs: number;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

export interface RunResult {
  readonly tensors: readonly WireTensor[];
  readonly computeMs: number;
}

export interface OnnxInstance extends AsyncDisposable {
  readonly signature: TensorSignature;
  /** Inputs that are owned are gone afterwards: their buffers went to the thread. */
  run(inputs: readonly WireTensor[], outputs: readonly string[]): Promise<RunResult>;
}

export async function startInstance(options: SessionOptions): Promise<OnnxInstance> {
  const path = join(import.meta.dirname, `onnx-thread${extname(import.meta.filename)}`);
  const worker = new Worker(path, { workerData: options });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const ready = createDeferred<TensorSignature>();
  const runs = new Map<number, Deferred<RunResult>>();
  const failAll = (error: EngineError): void => {
    ready.reject(error);
    for (const run of runs.values()) run.reject(error);
    runs.clear();
  };
  worker.on('message', (answer: ThreadAnswer) => {
    if (answer.kind === 'ready') ready.resolve(answer.signature);
    else if (answer.kind === 'refused')
      failAll(
        new EngineError('model_invalid', 'The model cannot be loaded.', {
          hint: loadHint(answer.message),
        }),
      );
    else {
      const run = runs.get(answer.id);
      runs.delete(answer.id);
      if (answer.kind === 'done')
        run?.resolve({ tensors: received(answer.tensors), computeMs: answer.computeMs });
      else
        run?.reject(
          new EngineError('invalid_value', `The model refuses these inputs: ${firstLine(answer.message)}`),
        );
    }
  });
  worker.once('error', (cause) => failAll(new EngineError('engine_failed', 'A thread failed.', { cause })));
  worker.once('exit', () => failAll(new EngineError('engine_failed', 'A thread ended.')));
  const signature = await ready.promise;
  let nextId = 0;
  return {
    signature,
    run: (inputs, outputs) => {
      const run = createDeferred<RunResult>();
      const id = nextId++;
      runs.set(id, run);
      const own = inputs.map(ownTensor);
      worker.postMessage(
        { kind: 'run', id, inputs: own, outputs } satisfies ThreadRequest,
        own.map(({ bytes }) => bytes.buffer),
      );
      return run.promise;
    },
    [Symbol.asyncDispose]: async () => {
      worker.postMessage({ kind: 'close' } satisfies ThreadRequest);
      await ended;
    },
  };
}

type OwnTensor = WireTensor & { readonly bytes: Uint8Array<ArrayBuffer> };

/** In a buffer that may change hands: the tensor's own where it is nobody else's, else a copy. */
const ownTensor = (tensor: WireTensor): OwnTensor =>
  tensor.isOwned === true && isWhole(tensor.bytes)
    ? (tensor as OwnTensor)
    : { ...tensor, bytes: new Uint8Array(tensor.bytes) };

const isWhole = ({ buffer, byteLength }: Uint8Array): boolean =>
  buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;

/** What came from the thread is ours alone, unless two of them lie in one buffer. */
const received = (tensors: readonly WireTensor[]): readonly WireTensor[] =>
  tensors.map((tensor) => ({
    ...tensor,
    isOwned:
      isWhole(tensor.bytes) &&
      tensors.every((other) => other === tensor || other.bytes.buffer !== tensor.bytes.buffer),
  }));

/** A provider whose library is not there is the installation's lack, not the model's. */
function loadHint(message: string): string {
  const provider = /ExecutionProvider_(Cuda|TensorRT)/.exec(message)?.[1];
  if (provider === undefined) return firstLine(message);
  return `This ONNX Runtime lacks ${provider}: gantry engine install cuda, or leave it out of the providers.`;
}

const firstLine = (text: string): string => text.split('\n', 1)[0] as string;
