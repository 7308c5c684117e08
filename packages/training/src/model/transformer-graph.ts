/**
 * A transformer as one ONNX graph: embedding, positions, depth × (norm, attention, norm, MLP), norm, head.
 * Inputs: every parameter by its name, `tokens` and, with a loss, `targets` and `weights`.
 */
import type { OnnxModel } from '@gantry/formats/onnx';
import {
  documentsOf,
  GraphBuilder,
  Tape,
  type Dialect,
  type Precision,
  type Value,
  type Workspace,
} from '../autodiff/index.ts';
import { wholeShare } from './layer-context.ts';
import { attentionPart, mlpPart, norm } from './layer-halves.ts';
import {
  embeddingName,
  finalNorm,
  headName,
  layerName,
  parameterLayout,
  positionsName,
  type ParameterLayout,
} from './parameter-layout.ts';
import { sinusoids } from './sinusoids.ts';
import type { TransformerConfig } from './transformer-config.ts';

export type GraphKind = 'logits' | 'loss' | 'gradients';

export interface TransformerGraph {
  readonly layout: ParameterLayout;
  /** Rows of every token input: sequences × time. */
  readonly rows: number;
  /** Output name → shape. */
  readonly outputs: ReadonlyMap<string, readonly number[]>;
  /** [rows, vocabulary] for `logits`. */
  readonly logits: string | undefined;
  readonly loss: string | undefined;
  /** Parameter name → output that holds its gradient. The embedding's is only that of the head, if it is tied. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Gradient of the embedded rows [rows, width], which the host adds into the embedding's gradient. */
  readonly embeddedGradient: string | undefined;
  model(prefixSequence: boolean): OnnxModel;
  workspace(): Workspace;
}

export function transformerGraph(
  config: TransformerConfig,
  sequences: number,
  time: number,
  kind: GraphKind,
  dialect: Dialect = 'portable',
  precision: Precision = 'fp32',
): TransformerGraph {
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const layout = parameterLayout(config);
  const rows = sequences * time;
  const parameters = new Map(layout.parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const parameter = (name: string): Value => parameters.get(name) as Value;
  const tokens = graph.input('tokens', [rows], 'int64');
  const weights = graph.input('weights', [rows]);

  const embedded = graph.node('Gather', [parameter(embeddingName), tokens], [rows, config.width]);
  const isTraining = kind === 'gradients';
  // A sample is one document.
  const documents =
    config.staysInDocument === true && kind !== 'logits'
      ? { documents: documentsOf(graph, tokens, { sequences, time, eosId: config.eosId }) }
      : {};
  let stream = placed(tape, config, time, tape.inBlocks(embedded, 1), parameter);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const part = (name: string): Value => parameter(layerName(layer, name));
    const context = { tape, config, share: wholeShare, sequences, part, weights, isTraining, ...documents };
    stream = mlpPart(context, attentionPart(context, stream));
  }
  const [weight, bias] = finalNorm(config).map(parameter) as [Value, Value | undefined];
  const last = norm(tape, config, stream, weight, bias);
  const head = parameter(config.tiedEmbeddings ? embeddingName : headName);
  const logits = tape.apply('linearTransposed', [last, head], {});

  const outputs: Value[] = [];
  const gradients = new Map<string, string>();
  let loss: Value | undefined;
  let embeddedGradient: Value | undefined;
  if (kind === 'logits') {
    outputs.push(tape.rows(logits));
  } else {
    const targets = graph.input('targets', [rows], 'int64');
    loss = tape.apply('crossEntropy', [logits, targets, weights], {});
    outputs.push(loss);
  }
  if (kind === 'gradients' && loss !== undefined) {
    // An untied embedding has no gradient but that of its rows.
    const wanted = layout.parameters.filter(({ name }) => config.tiedEmbeddings || name !== embeddingName);
    const [ofEmbedded, ...rest] = tape.gradients(loss, [
      embedded,
      ...wanted.map(({ name }) => parameter(name)),
    ]);
    embeddedGradient = ofEmbedded as Value;
    outputs.push(embeddedGradient, ...rest);
    for (const [index, { name }] of wanted.entries()) gradients.set(name, (rest[index] as Value).name);
  }
  return {
    layout,
    rows,
    outputs: new Map(outputs.map(({ name, shape }) => [name, shape])),
    logits: kind === 'logits' ? outputs[0]?.name : undefined,
    loss: loss?.name,
    gradients,
    embeddedGradient: embeddedGradient?.name,
    model: (prefixSequence) => graph.model(`transformer-${kind}`, outputs, prefixSequence),
    workspace: () => graph.workspace(outputs),
  };
}

/** The embedded rows with what tells their places, where that is a vector. */
function placed(
  tape: Tape,
  config: TransformerConfig,
  time: number,
  embedded: Value,
  parameter: (name: string) => Value,
): Value {
  const { width, positions } = config;
  if (positions === 'sinusoidal') {
    const waves = tape.graph.constant(`waves${time}`, [time, width], () => sinusoids(time, width));
    return tape.apply('addRows', [embedded, waves], {});
  }
  if (positions !== 'learned') return embedded;
  const seen = tape.apply('sliceRows', [parameter(positionsName)], { from: 0, to: time });
  return tape.apply('addRows', [embedded, seen], {});
}
