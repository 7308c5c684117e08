/** The Open Inference Protocol on one tensor model (kserve/open-inference-protocol, `inference_rest.md`). */
import { availableParallelism } from 'node:os';
import { gantryVersion, countOf } from '@gantry/kit';
import { defaultBatchPolicy, type BatchPolicy, type QueuePolicy } from '@gantry/serving';
import { buildFor, onnxBuild, type BuildDevice } from '../builds/gpu-builds.ts';
import type { EngineError } from '../engine-error.ts';
import { openTensorModel } from '../onnx/open-tensor-model.ts';
import type { TensorModel } from '../onnx/tensor-model.ts';
import type { WarmUpRequest } from '../onnx/warm-up.ts';
import { toInferAnswer } from '../oip/infer-answer.ts';
import { parseInfer } from '../oip/parse-infer.ts';
import { stampedLog } from './engine-journal.ts';
import { serveEngine } from './engine-server.ts';
import type { EngineCall, EngineRoute, EngineServer, EngineService, ListenOptions } from './engine-server.ts';
import { readBytes, sendJson } from './http-body.ts';

interface WaitingOptions {
  readonly maxQueueSize?: number;
  readonly timeoutMs?: number;
  readonly timeoutAction?: 'reject' | 'delay';
}

/** As an endpoint's `batching` names them (docs/serving.md). */
export interface BatchingOptions extends WaitingOptions {
  readonly maxBatchSize?: number;
  readonly preferredSizes?: readonly number[];
  readonly maxDelayMs?: number;
  readonly preserveOrder?: boolean;
  readonly priorityLevels?: number;
  readonly defaultPriority?: number;
  /** By level, in place of what is said for all of them. */
  readonly levels?: Readonly<Record<string, WaitingOptions>>;
  readonly instances?: number;
  /** Threads keep to cores of their own. */
  readonly pinThreads?: boolean;
  /** Weights in files beside the model's stay mapped. */
  readonly mapWeights?: boolean;
  /** ONNX Runtime's execution providers, the preferred first. */
  readonly providers?: readonly string[];
  /** Inputs of variable length are filled up to the next of these. */
  readonly lengths?: readonly number[];
  /** What is longer than the last of `lengths`; default: computed as it is. */
  readonly overlong?: 'keep' | 'truncate' | 'refuse';
  /** A model with a memory: its state inputs, each with the output that it is next time. */
  readonly sequence?: {
    readonly states: Readonly<Record<string, string>>;
    /** Default 60. */
    readonly idleSeconds?: number;
    /** At once; default 1,024. */
    readonly most?: number;
  };
}

export interface TensorServiceOptions {
  readonly modelPath: string;
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly threads?: number;
  /** The replica was given one; without its build the processor computes, and the log says so. */
  readonly device?: BuildDevice;
  readonly batching?: BatchingOptions;
  /** Computed by every session before it is ready; absent: zeros once. */
  readonly warmUp?: readonly WarmUpRequest[];
  readonly bodyLimitBytes?: number;
  readonly onLog?: (line: string) => void;
}

const binaryHeader = 'inference-header-content-length';

export async function serveTensors(options: ListenOptions & TensorServiceOptions): Promise<EngineServer> {
  return serveEngine(new TensorService(options), options);
}

class TensorService implements EngineService {
  readonly #options: TensorServiceOptions;
  #engine: TensorModel | undefined;
  #warmMs = 0;

  constructor(options: TensorServiceOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const { modelPath, batching, device, warmUp } = this.#options;
    const onLog = this.#options.onLog && stampedLog(this.#options.onLog);
    const runtime = buildFor(device, onnxBuild, onLog);
    // What the device has no operator for, the processor computes.
    const providers = batching?.providers ?? (runtime === undefined ? undefined : ['cuda', 'cpu']);
    const { lengths, overlong = 'keep', sequence } = batching ?? {};
    this.#engine = await openTensorModel({
      modelPath,
      threads: this.#threads,
      policy: toPolicy(batching ?? {}),
      isBatchDeclared: saysHowToJoin(batching),
      ...(batching?.instances === undefined ? {} : { instances: batching.instances }),
      isPinned: batching?.pinThreads === true,
      isMapped: batching?.mapWeights === true,
      ...(providers === undefined ? {} : { providers }),
      ...(runtime === undefined ? {} : { runtime }),
      ...(warmUp === undefined ? {} : { warmUp }),
      ...(onLog === undefined ? {} : { onLog }),
      onWarm: (elapsedMs) => {
        this.#warmMs += elapsedMs;
      },
      ...(lengths === undefined ? {} : { buckets: { lengths, overlong } }),
      ...(sequence === undefined ? {} : { sequence: toSequence(sequence) }),
    });
  }

  routeOf(path: string): EngineRoute | undefined {
    const match = /^\/v2(?:\/models\/[^/]+(?:\/versions\/[^/]+)?(?:\/(ready|infer))?)?$/.exec(path);
    if (match === null) return undefined;
    if (match[1] === 'infer')
      return {
        method: 'POST',
        isWork: true,
        answer: (call) => this.#infer(this.#engine as TensorModel, call),
      };
    if (match[1] === 'ready') return get(({ response }) => sendJson(response, 200, this.#readiness()));
    return get(({ response }) => sendJson(response, 200, path === '/v2' ? server : this.#metadata()));
  }

  stats(): object {
    return { warmMs: this.#warmMs, ...this.#engine?.stats() };
  }

  describe(): string {
    const { modelName, batching = {}, device = 'cpu' } = this.#options;
    const { inputs = [], outputs = [] } = this.#engine?.signature ?? {};
    const tensors = (all: readonly { name: string; datatype: string; shape: readonly number[] }[]): string =>
      all
        .map(
          ({ name, datatype, shape }) =>
            `${name} ${datatype} [${shape.map((size) => (size < 0 ? '?' : size)).join(', ')}]`,
        )
        .join(', ');
    const { maxBatchSize = defaultBatchPolicy.maxBatchSize, instances = 1 } = batching;
    const on = batching.providers?.join(', ') ?? device;
    return [
      `${modelName} takes ${tensors(inputs)} and gives ${tensors(outputs)}`,
      `batches up to ${maxBatchSize}`,
      `${countOf(instances, 'instance')} of ${countOf(this.#threads, 'thread')} on ${on}`,
    ].join(', ');
  }

  errorBody(error: EngineError): object {
    return { error: error.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]();
  }

  get #threads(): number {
    return this.#options.threads ?? Math.max(1, availableParallelism() - 1);
  }

  get #version(): string {
    return this.#options.modelVersion ?? '1';
  }

  #readiness(): object {
    return { name: this.#options.modelName, ready: this.#engine !== undefined };
  }

  #metadata(): object {
    return {
      name: this.#options.modelName,
      versions: [this.#version],
      platform: 'onnxruntime_onnx',
      inputs: this.#engine?.signature.inputs ?? [],
      outputs: this.#engine?.signature.outputs ?? [],
    };
  }

  async #infer(engine: TensorModel, { request, response, signal }: EngineCall): Promise<void> {
    const body = await readBytes(request, this.#options.bodyLimitBytes ?? 64 * 1024 ** 2);
    const length = request.headers[binaryHeader];
    const call = parseInfer(body, typeof length === 'string' ? length : undefined);
    const outputs = await engine.infer(call, signal);
    if (response.destroyed) return;
    const model = { name: this.#options.modelName, version: this.#version };
    const { json, tail } = toInferAnswer(model, call, outputs);
    const bytes = tail.length === 0 ? json : Buffer.concat([json, ...tail]);
    response.writeHead(200, {
      'content-length': bytes.byteLength,
      ...(tail.length === 0
        ? { 'content-type': 'application/json' }
        : { 'content-type': 'application/octet-stream', [binaryHeader]: json.byteLength }),
    });
    response.end(bytes);
  }
}

const server = { name: 'gantry', version: gantryVersion, extensions: ['binary_tensor_data'] };
const get = (answer: EngineRoute['answer']): EngineRoute => ({ method: 'GET', isWork: false, answer });

function toSequence({ states, idleSeconds = 60, most = 1_024 }: NonNullable<BatchingOptions['sequence']>) {
  return { states, idleMs: idleSeconds * 1_000, most };
}

/** Where computing happens says nothing of how requests are joined. */
function saysHowToJoin(batching: BatchingOptions | undefined): boolean {
  if (batching === undefined) return false;
  const { pinThreads: _pin, mapWeights: _map, providers: _on, ...joining } = batching;
  return Object.keys(joining).length > 0 || Object.keys(batching).length === 0;
}

function toPolicy(batching: BatchingOptions): BatchPolicy {
  const { priorityLevels = 1, defaultPriority = 1, levels = {} } = batching;
  return {
    ...defaultBatchPolicy,
    maxBatchSize: batching.maxBatchSize ?? defaultBatchPolicy.maxBatchSize,
    preferredBatchSizes: (batching.preferredSizes ?? []).toSorted((one, other) => one - other),
    maxQueueDelayMs: batching.maxDelayMs ?? 0,
    priorityLevels,
    defaultPriority,
    preserveOrdering: batching.preserveOrder ?? false,
    queue: toQueue(batching),
    queueByPriority: Object.fromEntries(
      Object.entries(levels).map(([level, own]) => [Number(level), toQueue({ ...batching, ...own })]),
    ),
  };
}

const toQueue = ({ maxQueueSize, timeoutMs, timeoutAction = 'reject' }: WaitingOptions): QueuePolicy => ({
  ...(maxQueueSize === undefined ? {} : { maxQueueSize }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
  timeoutAction,
  allowTimeoutOverride: true,
});
