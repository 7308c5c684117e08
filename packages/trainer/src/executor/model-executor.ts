/**
 * A transformer bound to flat buffers: `gradients` for training, `loss` for validation, `logits` for samples.
 * All share one parameter buffer, so what the optimiser writes is what the next run reads.
 */
import type { Dialect, Precision } from '@gantry/training/autodiff';
import {
  embeddingName,
  transformerGraph,
  type ParameterLayout,
  type TransformerConfig,
  type TransformerGraph,
} from '@gantry/training/model';
import { probeDialect } from './probe-dialect.ts';
import { scatterAddRows } from './embedding-rows.ts';
import { createExecutor, type BoundTensor, type Executor, type OutputPath } from './executor.ts';

export interface ModelExecutor extends AsyncDisposable {
  readonly layout: ParameterLayout;
  readonly outputPath: OutputPath;
  readonly dialect: Dialect;
  /** [sequences × time], filled by the caller before `run`. */
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  /** What each token's loss counts; 0 leaves it out. */
  readonly weights: Float32Array;
  readonly loss: Float32Array;
  readonly logits: Float32Array;
  run(): Promise<void>;
}

export interface ModelExecutorOptions {
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
  readonly kind: 'logits' | 'loss' | 'gradients';
  /** layout.length each; gradients only for kind `gradients`. */
  readonly parameters: Float32Array;
  readonly gradients?: Float32Array;
  readonly outputPath?: OutputPath;
  /** Taken from `probeDialect` unless given. */
  readonly dialect?: Dialect;
  /** `fp32` unless given. */
  readonly precision?: Precision;
  readonly threads?: number;
}

export async function createModelExecutor(options: ModelExecutorOptions): Promise<ModelExecutor> {
  const { config, sequences, time, kind, parameters } = options;
  const dialect = options.dialect ?? (await probeDialect());
  const graph = transformerGraph(config, sequences, time, kind, dialect, options.precision);
  const { layout, rows } = graph;
  const tokens = new BigInt64Array(rows);
  const targets = new BigInt64Array(rows);
  const weights = new Float32Array(rows);
  const loss = new Float32Array(1);
  const logits = new Float32Array(kind === 'logits' ? rows * config.vocabularySize : 0);
  const embedded = new Float32Array(kind === 'gradients' ? rows * config.width : 0);

  const inputs = new Map<string, BoundTensor>([['tokens', { shape: [rows], data: tokens }]]);
  if (kind !== 'logits') {
    inputs.set('targets', { shape: [rows], data: targets });
    inputs.set('weights', { shape: [rows], data: weights });
  }
  for (const { name, shape, offset, length } of layout.parameters) {
    inputs.set(name, { shape, data: parameters.subarray(offset, offset + length) });
  }
  const outputs = new Map<string, BoundTensor>();
  const bind = (name: string | undefined, data: Float32Array): void => {
    if (name !== undefined) outputs.set(name, { shape: graph.outputs.get(name) ?? [], data });
  };
  bind(graph.logits, logits);
  bind(graph.loss, loss);
  bind(graph.embeddedGradient, embedded);
  bindGradients(graph, options.gradients, bind);

  const executor: Executor = await createExecutor({
    model: (prefixSequence) => graph.model(prefixSequence),
    inputs,
    outputs,
    ...(options.outputPath === undefined ? {} : { outputPath: options.outputPath }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  const embedding = layout.find(embeddingName);
  return {
    layout,
    outputPath: executor.outputPath,
    dialect,
    tokens,
    targets,
    weights,
    loss,
    logits,
    run: async () => {
      await executor.run();
      if (options.gradients !== undefined && kind === 'gradients') {
        const target = options.gradients.subarray(embedding.offset, embedding.offset + embedding.length);
        if (!config.tiedEmbeddings) target.fill(0);
        scatterAddRows(target, config.width, tokens, embedded);
      }
    },
    [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
  };
}

function bindGradients(
  graph: TransformerGraph,
  gradients: Float32Array | undefined,
  bind: (name: string | undefined, data: Float32Array) => void,
): void {
  if (graph.gradients.size === 0) return;
  if (gradients === undefined) throw new Error('a gradient graph needs a gradient buffer');
  for (const { name, offset, length } of graph.layout.parameters) {
    bind(graph.gradients.get(name), gradients.subarray(offset, offset + length));
  }
}
