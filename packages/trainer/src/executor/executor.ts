/**
 * Runs one graph over fixed buffers with ONNX Runtime: parameters are read and gradients written where they
 * lie. Graph optimisation stays `disabled`: fused transposes would undo the autodiff's choices.
 */
import type { OnnxModel } from '@gantry/formats/onnx';
import { encodeOnnxModel } from '@gantry/formats/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';

export interface BoundTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface BoundRun {
  /** Computes every output from the inputs' present content. Blocks the event loop while it computes. */
  run(): Promise<void>;
}

export interface GraphSession extends AsyncDisposable {
  /** How results reach the output buffers. */
  readonly outputPath: OutputPath;
  /** Each buffer is read or written in place; the caller keeps it for as long as the binding is used. */
  bind(inputs: ReadonlyMap<string, BoundTensor>, outputs: ReadonlyMap<string, BoundTensor>): BoundRun;
}

export interface Executor extends BoundRun, AsyncDisposable {
  readonly outputPath: OutputPath;
}

export type OutputPath = 'in place' | 'copied';

export interface SessionOptions {
  /** `true` puts an empty sequence in front (see `probeOutputPath`). */
  readonly model: (prefixSequence: boolean) => OnnxModel;
  readonly threads?: number;
  /** Taken from `probeOutputPath` unless given. */
  readonly outputPath?: OutputPath;
}

export interface ExecutorOptions extends SessionOptions {
  readonly inputs: ReadonlyMap<string, BoundTensor>;
  readonly outputs: ReadonlyMap<string, BoundTensor>;
}

const refusal = 'Non tensor type';

/** One graph that may run over several sets of buffers: all layers of a stage share a session. */
export async function createSession(options: SessionOptions): Promise<GraphSession> {
  const outputPath = options.outputPath ?? (await probeOutputPath());
  const session = await InferenceSession.create(encodeOnnxModel(options.model(outputPath === 'in place')), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // A plan of all buffers would be laid out in memory of its own beside what the first run has taken: twice as much.
    enableMemPattern: false,
    extra: {
      // Ranks share cores with others: waiting threads must not burn them.
      session: { intra_op: { allow_spinning: '0' }, set_denormal_as_zero: '1' },
    },
  });
  const known = new Set(session.inputNames);
  const bind = (
    inputs: ReadonlyMap<string, BoundTensor>,
    outputs: ReadonlyMap<string, BoundTensor>,
  ): BoundRun => {
    const feeds = toTensors([...inputs].filter(([name]) => known.has(name)));
    const fetches = toTensors([...outputs]);
    const copyBack = async (): Promise<void> => {
      const results = await session.run(feeds, fetches);
      for (const [name, { data }] of outputs) copyInto(data, results[name]?.data);
    };
    const inPlace = async (): Promise<void> => {
      try {
        await session.run(feeds, { nothing: null, ...fetches });
      } catch (error) {
        if (error instanceof Error && error.message.includes(refusal)) return;
        throw error;
      }
      throw new Error('ONNX Runtime answered where its output probe saw a refusal.');
    };
    return { run: outputPath === 'in place' ? inPlace : copyBack };
  };
  return { outputPath, bind, [Symbol.asyncDispose]: () => session.release() };
}

export async function createExecutor(options: ExecutorOptions): Promise<Executor> {
  const session = await createSession(options);
  const bound = session.bind(options.inputs, options.outputs);
  return {
    outputPath: session.outputPath,
    run: () => bound.run(),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

let probed: Promise<OutputPath> | undefined;

/**
 * The released binding copies every output into new memory. When the first output is no tensor it refuses
 * after the kernels have run, and then results already lie in the buffers we gave. Found out once, on a
 * known sum; where it does not hold, outputs are copied.
 */
export function probeOutputPath(): Promise<OutputPath> {
  probed ??= (async () => {
    const sum = new Float32Array(2);
    try {
      await using executor = await createExecutor({
        model: (prefixSequence) => ({
          name: 'probe',
          opsets: { '': 17 },
          initializers: [],
          nodes: [
            ...(prefixSequence
              ? [{ operator: 'SequenceEmpty', domain: '', inputs: [], outputs: ['nothing'], attributes: {} }]
              : []),
            { operator: 'Add', domain: '', inputs: ['a', 'b'], outputs: ['sum'], attributes: {} },
          ],
          inputs: ['a', 'b'].map((name) => ({ name, type: 'float32' as const, shape: [2] })),
          outputs: [
            ...(prefixSequence ? [{ name: 'nothing', type: 'sequence' as const, shape: [] }] : []),
            { name: 'sum', type: 'float32', shape: [2] },
          ],
        }),
        inputs: new Map([
          ['a', { shape: [2], data: Float32Array.of(1, 2) }],
          ['b', { shape: [2], data: Float32Array.of(10, 20) }],
        ]),
        outputs: new Map([['sum', { shape: [2], data: sum }]]),
        outputPath: 'in place',
      });
      await executor.run();
      return sum[0] === 11 && sum[1] === 22 ? 'in place' : 'copied';
    } catch {
      return 'copied';
    }
  })();
  return probed;
}

function toTensors(bound: readonly (readonly [string, BoundTensor])[]): Record<string, Tensor> {
  return Object.fromEntries(
    bound.map(([name, { data, shape }]) => [
      name,
      data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int64', data, shape),
    ]),
  );
}

function copyInto(target: Float32Array | BigInt64Array, source: unknown): void {
  if (source === target) return;
  if (target instanceof Float32Array && source instanceof Float32Array) target.set(source);
  else if (target instanceof BigInt64Array && source instanceof BigInt64Array) target.set(source);
  else throw new Error('ONNX Runtime answered with another type than the graph declares.');
}
