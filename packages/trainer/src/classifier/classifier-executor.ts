/** A classifier bound to buffers; `logits` to judge, `gradients` to learn. */
import { smallestWeight } from '@gantry/conversion';
import { classifierGraph, sampleShape, type ClassifierConfig } from '@gantry/training/classifier';
import { createExecutor, type BoundTensor } from '../executor/index.ts';
import type { Samples } from './samples.ts';

export interface ClassifierExecutor extends AsyncDisposable {
  readonly logits: Float32Array;
  readonly loss: Float32Array;
  /** What each sample's loss counts; 0 leaves it out. */
  readonly weights: Float32Array;
  /** Sets sample `row` of the batch. */
  take(samples: Pick<Samples, 'features' | 'targets'>, index: number, row: number): void;
  /** Numbers of sample `row` as it was taken; who changes them changes what is learned from. */
  sampleAt(row: number): Float32Array;
  run(): Promise<void>;
}

export async function createClassifierExecutor(options: {
  readonly config: ClassifierConfig;
  readonly samples: number;
  readonly parameters: Float32Array;
  /** Absent for logits. */
  readonly gradients?: Float32Array;
  /** Layers that the export multiplies in eight bits are seen so. */
  readonly roundsToInt8?: boolean;
}): Promise<ClassifierExecutor> {
  const { config, samples, parameters, gradients, roundsToInt8 = false } = options;
  const kind = gradients === undefined ? 'logits' : 'gradients';
  const isRounded = ({ length }: { readonly length: number }): boolean =>
    roundsToInt8 && length >= smallestWeight;
  const graph = classifierGraph(config, samples, kind, isRounded);
  const shape = sampleShape(config);
  const size = shape.reduce((product, axis) => product * axis, 1);
  const features = new Float32Array(samples * size);
  const targets = new BigInt64Array(samples);
  const weights = new Float32Array(samples);
  const loss = new Float32Array(1);
  const logits = new Float32Array(samples * config.classes);
  const inputs = new Map<string, BoundTensor>([
    ['features', { shape: [samples, ...shape], data: features }],
    ['targets', { shape: [samples], data: targets }],
    ['weights', { shape: [samples], data: weights }],
  ]);
  const outputs = new Map<string, BoundTensor>();
  for (const { name, shape: own, offset, length } of graph.layout.parameters) {
    inputs.set(name, { shape: own, data: parameters.subarray(offset, offset + length) });
    const output = graph.gradients.get(name);
    if (output !== undefined && gradients !== undefined)
      outputs.set(output, { shape: own, data: gradients.subarray(offset, offset + length) });
  }
  if (graph.loss === undefined) outputs.set(graph.logits, { shape: [samples, config.classes], data: logits });
  else outputs.set(graph.loss, { shape: [], data: loss });
  const executor = await createExecutor({ model: (prefix) => graph.model(prefix), inputs, outputs });
  return {
    logits,
    loss,
    weights,
    take: (from, index, row) => {
      features.set(from.features.subarray(index * size, (index + 1) * size), row * size);
      targets[row] = BigInt(from.targets[index] as number);
    },
    sampleAt: (row) => features.subarray(row * size, (row + 1) * size),
    run: () => executor.run(),
    [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
  };
}
