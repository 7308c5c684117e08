/**
 * A decoder layer (or half of one) as two graphs, so that something can happen in between: a pipeline stage
 * sends, tensor ranks sum, ZeRO fetches weights. The same two serve all layers. What the backward graph needs
 * of the forward pass is an output of the one and an input of the other, or is computed again.
 */
import type { LlamaConfig } from '@gantry/formats';
import type { OnnxModel } from '@gantry/formats/onnx';
import {
  blockedShape,
  GraphBuilder,
  Tape,
  type Dialect,
  type Precision,
  type Value,
} from '../autodiff/index.ts';
import { attentionPart, mlpPart, norm } from './decoder-parts.ts';

/** Tensor ranks sum after each half, so they cut there. */
export type SegmentKind = 'layer' | 'attention' | 'mlp';

export interface SegmentRequest {
  readonly config: LlamaConfig;
  readonly sequences: number;
  readonly time: number;
  readonly kind: SegmentKind;
  readonly tensor: number;
  readonly tensorIndex: number;
  /** Nothing is saved but the input; the backward graph runs the forward pass again. */
  readonly isRecomputed: boolean;
  readonly dialect: Dialect;
  readonly precision: Precision;
}

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface SegmentGraph {
  /** Inputs of both graphs by their name inside a layer (`mlp.up_proj`), as this rank has them. */
  readonly parameters: readonly NamedShape[];
  /** [rows, width]: input of both, output of the forward graph. */
  readonly output: string;
  /** Outputs of the forward graph that the backward graph takes. */
  readonly saved: readonly NamedShape[];
  /** Output of the backward graph. */
  readonly inputGradient: string;
  /** Parameter name → output of the backward graph. */
  readonly gradients: ReadonlyMap<string, string>;
  forward(prefixSequence: boolean): OnnxModel;
  backward(prefixSequence: boolean): OnnxModel;
}

export const segmentInput = 'x';
export const segmentOutputGradient = 'dy';

const parts = {
  attention: [
    'input_layernorm',
    'self_attn.q_proj',
    'self_attn.k_proj',
    'self_attn.v_proj',
    'self_attn.o_proj',
  ],
  mlp: ['post_attention_layernorm', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'],
} as const;

export const segmentParts: Readonly<Record<SegmentKind, readonly string[]>> = {
  ...parts,
  layer: [...parts.attention, ...parts.mlp],
};

export function segmentGraph(request: SegmentRequest): SegmentGraph {
  const { sequences, time, kind, tensor, dialect, precision } = request;
  const config = tensorShare(request.config, tensor);
  const { width, headWidth, heads, kvHeads, hidden } = config;
  const shapes: Readonly<Record<string, readonly number[]>> = {
    input_layernorm: [width],
    'self_attn.q_proj': [width, heads * headWidth],
    'self_attn.k_proj': [width, kvHeads * headWidth],
    'self_attn.v_proj': [width, kvHeads * headWidth],
    'self_attn.o_proj': [width, heads * headWidth],
    post_attention_layernorm: [width],
    'mlp.gate_proj': [width, hidden],
    'mlp.up_proj': [width, hidden],
    'mlp.down_proj': [width, hidden],
  };
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const parameters = segmentParts[kind].map((name) => ({ name, shape: shapes[name] as readonly number[] }));
  const values = new Map(parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const part = (name: string): Value => values.get(name) as Value;
  const rows = sequences * time;
  const x = graph.input(segmentInput, [rows, width]);
  const hasResidual = request.tensorIndex === 0;
  let stream = x;
  if (kind !== 'mlp') stream = attentionPart(tape, config, sequences, part, stream, hasResidual);
  if (kind !== 'attention') stream = mlpPart(tape, config, part, stream, hasResidual);
  const output = tape.rows(stream);
  const { mark } = graph;
  const dy = graph.input(segmentOutputGradient, [rows, width]);
  const [dx, ...rest] = tape.pullback(stream, dy, [x, ...values.values()]) as [Value, ...Value[]];
  const crossing = request.isRecomputed ? [] : graph.crossing([dx, ...rest], mark, x);
  return {
    parameters,
    output: output.name,
    saved: crossing.map(({ name, shape, isBlocked }) => ({
      name,
      shape: isBlocked === true ? blockedShape(shape) : shape,
    })),
    inputGradient: dx.name,
    gradients: new Map(parameters.map(({ name }, index) => [name, (rest[index] as Value).name])),
    forward: (prefix) => graph.model(`${kind}-forward`, [output, ...crossing], prefix),
    backward: (prefix) => graph.model(`${kind}-backward`, [dx, ...rest], prefix, crossing),
  };
}

/** The heads and hidden columns one of `tensor` ranks has; the residual stream stays whole. */
function tensorShare(config: LlamaConfig, tensor: number): LlamaConfig {
  return {
    ...config,
    heads: config.heads / tensor,
    kvHeads: config.kvHeads / tensor,
    hidden: config.hidden / tensor,
  };
}

export interface HeadGraph {
  readonly loss: string;
  readonly inputGradient: string;
  readonly normGradient: string;
  readonly embeddingGradient: string;
  model(prefixSequence: boolean): OnnxModel;
}

/** Final norm, tied head and loss with all their gradients. Inputs: `x`, `norm`, `embedding`, `targets`, `weights`. */
export function headGraph(
  config: LlamaConfig,
  sequences: number,
  time: number,
  dialect: Dialect,
  precision: Precision,
): HeadGraph {
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const rows = sequences * time;
  const x = graph.input(segmentInput, [rows, config.width]);
  const weight = graph.input('norm', [config.width]);
  const embedding = graph.input('embedding', [config.vocabularySize, config.width]);
  const targets = graph.input('targets', [rows], 'int64');
  const weights = graph.input('weights', [rows]);
  const logits = tape.apply('linearTransposed', [norm(tape, config, x, weight), embedding], {});
  const loss = tape.apply('crossEntropy', [logits, targets, weights], {});
  const [dx, ofNorm, ofEmbedding] = tape.gradients(loss, [x, weight, embedding]) as [Value, Value, Value];
  return {
    loss: loss.name,
    inputGradient: dx.name,
    normGradient: ofNorm.name,
    embeddingGradient: ofEmbedding.name,
    model: (prefix) => graph.model('head', [loss, dx, ofNorm, ofEmbedding], prefix),
  };
}
