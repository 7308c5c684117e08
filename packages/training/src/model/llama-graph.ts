/**
 * The Llama decoder as an ONNX graph: embedding, depth × (RMSNorm, rotary causal attention, RMSNorm, SwiGLU),
 * RMSNorm, tied head. Inputs: every parameter by its name, `tokens` and, with a loss, `targets` and `weights`.
 */
import type { LlamaConfig } from '@gantry/formats';
import type { OnnxModel } from '@gantry/formats/onnx';
import { GraphBuilder, Tape, type Dialect, type Precision, type Value } from '../autodiff/index.ts';
import { attentionPart, mlpPart, norm } from './decoder-parts.ts';
import {
  embeddingName,
  finalNormName,
  layerName,
  parameterLayout,
  type ParameterLayout,
} from './parameter-layout.ts';

export type GraphKind = 'logits' | 'loss' | 'gradients';

export interface LlamaGraph {
  readonly layout: ParameterLayout;
  /** Rows of every token input: sequences × time. */
  readonly rows: number;
  /** Output name → shape. */
  readonly outputs: ReadonlyMap<string, readonly number[]>;
  /** [rows, vocabulary] for `logits`. */
  readonly logits: string | undefined;
  readonly loss: string | undefined;
  /** Parameter name → output that holds its gradient. The embedding's is only that of the head. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Gradient of the embedded rows [rows, width], which the host adds into the embedding's gradient. */
  readonly embeddedGradient: string | undefined;
  model(prefixSequence: boolean): OnnxModel;
}

export function llamaGraph(
  config: LlamaConfig,
  sequences: number,
  time: number,
  kind: GraphKind,
  dialect: Dialect = 'portable',
  precision: Precision = 'fp32',
): LlamaGraph {
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const layout = parameterLayout(config);
  const rows = sequences * time;
  const parameters = new Map(layout.parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const parameter = (name: string): Value => parameters.get(name) as Value;
  const tokens = graph.input('tokens', [rows], 'int64');
  const embedded = graph.node('Gather', [parameter(embeddingName), tokens], [rows, config.width]);

  let stream = embedded;
  for (let layer = 0; layer < config.layers; layer += 1) {
    const part = (name: string): Value => parameter(layerName(layer, name));
    stream = attentionPart(tape, config, sequences, part, stream);
    stream = mlpPart(tape, config, part, stream);
  }
  const last = norm(tape, config, stream, parameter(finalNormName));
  const logits = tape.apply('linearTransposed', [last, parameter(embeddingName)], {});

  const outputs: Value[] = [];
  const gradients = new Map<string, string>();
  let loss: Value | undefined;
  let embeddedGradient: Value | undefined;
  if (kind === 'logits') {
    outputs.push(tape.rows(logits));
  } else {
    const targets = graph.input('targets', [rows], 'int64');
    const weights = graph.input('weights', [rows]);
    loss = tape.apply('crossEntropy', [logits, targets, weights], {});
    outputs.push(loss);
  }
  if (kind === 'gradients' && loss !== undefined) {
    const [ofEmbedded, ...rest] = tape.gradients(loss, [embedded, ...parameters.values()]);
    embeddedGradient = ofEmbedded as Value;
    outputs.push(embeddedGradient, ...rest);
    for (const [index, { name }] of layout.parameters.entries())
      gradients.set(name, (rest[index] as Value).name);
  }
  return {
    layout,
    rows,
    outputs: new Map(outputs.map(({ name, shape }) => [name, shape])),
    logits: kind === 'logits' ? outputs[0]?.name : undefined,
    loss: loss?.name,
    gradients,
    embeddedGradient: embeddedGradient?.name,
    model: (prefixSequence) => graph.model(`llama-${kind}`, outputs, prefixSequence),
  };
}
