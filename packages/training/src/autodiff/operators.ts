/**
 * One rule per differentiable operator: forward nodes, and the nodes of its vector-Jacobian product.
 * The table is typed by all operators, so one without a gradient does not build. N = tokens of the batch.
 */
import { attentionBackward, attentionForward, type AttentionAttributes } from './attention.ts';
import { rotaryTables } from './constants.ts';
import { roundBlocks, type BlockAttributes } from './block-rounding.ts';
import { gelu } from './gelu.ts';
import { roundChannels, roundRange, type ChannelAttributes } from './integer-rounding.ts';
import { microsoft, type GraphBuilder } from './graph.ts';
import { elementsOf, type Value } from './value.ts';
import { layerNorm } from './layer-norm.ts';
import { averagePool, channelMeans, convolution, relu } from './image-operators.ts';
import { balance, combine, dispatch, gates, joinRows, sliceRows } from './expert-operators.ts';
import { addRows } from './row-operators.ts';
import { columnSums, rowMeans } from './sums.ts';
import { take } from './take.ts';

export type NarrowFloat = 'bf16' | 'fp16';
/** TensorProto.DataType of ONNX. */
const dataTypes = { fp32: 1, fp16: 10, bf16: 16 } as const;

type NoAttributes = Readonly<Record<string, never>>;

interface HeadAttributes {
  readonly batch: number;
  readonly heads: number;
  /** [batch, heads] in this order; else the dialect may turn it. Heads that share keys or have a bias need it. */
  readonly isOrdered: boolean;
}

/** A bias [1, out] as third input is multiplied by this, 1 unless given: tensor ranks each add a part. */
interface LinearAttributes {
  readonly biasScale?: number;
}

export interface OperatorAttributes {
  /** y = xW (+ b) with W [in, out]. Expanding layers: the narrow x is the one transposed for dW. */
  linear: LinearAttributes;
  /** y = xWᵀ (+ b) with W [out, in]. Contracting layers and the tied head. */
  linearTransposed: LinearAttributes;
  rmsNorm: { readonly epsilon: number };
  /** (x, weight, bias) over the last axis. */
  layerNorm: { readonly epsilon: number };
  addRows: NoAttributes;
  sliceRows: { readonly from: number; readonly to: number };
  joinRows: NoAttributes;
  gelu: NoAttributes;
  relu: NoAttributes;
  convolution: NoAttributes;
  averagePool: NoAttributes;
  channelMeans: NoAttributes;
  dispatch: NoAttributes;
  combine: NoAttributes;
  gates: NoAttributes;
  balance: { readonly sequences: number; readonly factor: number };
  add: NoAttributes;
  /** (gate, up) → SiLU(gate)·up. SiLU is computed again in the backward pass: less memory, and faster. */
  swiGlu: NoAttributes;
  /** [N, heads·headWidth] ↔ [batch, heads, time, headWidth] */
  splitHeads: HeadAttributes;
  mergeHeads: HeadAttributes;
  /** Rotate-half positions on [batch, heads, time, headWidth] (Su et al. 2021; Hugging Face layout). */
  rotary: { readonly theta: number };
  /**
   * q [batch, heads, time, w], k and v [batch, kvHeads, time, w]; head h reads kv head h / (heads / kvHeads). A
   * fourth input [buckets, heads] is added to the scores by range of distance.
   */
  attention: AttentionAttributes;
  /** To a narrow float and back, in both directions: what a kernel of that type would leave, in float32. */
  round: { readonly to: NarrowFloat };
  roundBlocks: BlockAttributes;
  roundChannels: ChannelAttributes;
  roundRange: NoAttributes;
  /** (logits [N, V]; targets int64 [N]; weights [N]) → Σ weightᵢ · −log p(targetᵢ), a scalar. */
  crossEntropy: NoAttributes;
}

export type OperatorName = keyof OperatorAttributes;

export interface BackwardContext<Attributes> {
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly saved: readonly Value[];
  readonly attributes: Attributes;
  readonly gradient: Value;
}

export interface OperatorRule<Attributes> {
  /** It accepts inputs and gradients in the blocked layout; for the others they are brought into rows first. */
  readonly takesBlocked?: true;
  forward(
    graph: GraphBuilder,
    inputs: readonly Value[],
    attributes: Attributes,
  ): { readonly output: Value; readonly saved: readonly Value[] };
  /** One gradient per input, in order; undefined where the input is not differentiable. */
  backward(graph: GraphBuilder, context: BackwardContext<Attributes>): readonly (Value | undefined)[];
}

export type OperatorTable = { readonly [Name in OperatorName]: OperatorRule<OperatorAttributes[Name]> };

export const operators: OperatorTable = {
  linear: {
    forward: (graph, inputs, { biasScale }) => {
      const [x, w] = inputs as readonly [Value, Value];
      return { output: addBias(graph, graph.product(x, w), inputs[2], biasScale), saved: [] };
    },
    backward: (graph, { inputs, gradient, attributes }) => {
      const [x, w] = inputs as readonly [Value, Value];
      // An explicit transpose: MLAS is slower when it transposes the left operand itself.
      return [
        graph.product(gradient, w, { right: 'transposed' }),
        graph.product(graph.transposedOnce(x), gradient),
        ...biasGradient(graph, gradient, inputs[2], attributes.biasScale),
      ];
    },
  },
  linearTransposed: {
    forward: (graph, inputs, { biasScale }) => {
      const [x, w] = inputs as readonly [Value, Value];
      const product = graph.product(x, w, { right: 'transposed' });
      return { output: addBias(graph, product, inputs[2], biasScale), saved: [] };
    },
    backward: (graph, { inputs, gradient, attributes }) => {
      const [x, w] = inputs as readonly [Value, Value];
      return [
        graph.product(gradient, w),
        graph.product(graph.transposedOnce(gradient), x),
        ...biasGradient(graph, gradient, inputs[2], attributes.biasScale),
      ];
    },
  },
  rmsNorm: {
    forward: (graph, inputs, { epsilon }) => {
      const [x, w] = take(inputs, 2);
      const [output, inverse] = take(
        graph.nodes('SimplifiedLayerNormalization', [x, w], [x.shape, [...x.shape.slice(0, -1), 1]], {
          attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
        }),
        2,
      );
      return { output, saved: [inverse] };
    },
    backward: (graph, { inputs, saved, gradient }) => {
      const [x, w] = take(inputs, 2);
      const [inverse] = take(saved, 1);
      const normal = graph.multiply(x, inverse);
      const weighted = graph.multiply(gradient, w);
      const projected = rowMeans(graph, graph.multiply(weighted, normal));
      const dx = graph.multiply(graph.subtract(weighted, graph.multiply(normal, projected)), inverse);
      const rows = elementsOf(x.shape) / (x.shape.at(-1) as number);
      const dw = columnSums(graph, graph.multiply(gradient, normal), rows);
      return [dx, graph.reshape(dw, w.shape)];
    },
  },
  layerNorm,
  addRows,
  sliceRows,
  joinRows,
  gelu,
  relu,
  convolution,
  averagePool,
  channelMeans,
  dispatch,
  combine,
  gates,
  balance,
  add: {
    forward: (graph, inputs) => {
      const [left, right] = take(inputs, 2);
      return { output: graph.add(left, right), saved: [] };
    },
    backward: (_graph, { gradient }) => [gradient, gradient],
  },
  swiGlu: {
    forward: (graph, inputs) => {
      const [gate, up] = take(inputs, 2);
      return { output: graph.multiply(silu(graph, gate), up), saved: [] };
    },
    backward: (graph, { inputs, gradient }) => {
      const [gate, up] = take(inputs, 2);
      const sigmoid = graph.map('Sigmoid', gate);
      const activated = graph.multiply(gate, sigmoid);
      // d SiLU = σ·(1 + gate − SiLU)
      const slope = graph.multiply(sigmoid, graph.add(graph.subtract(gate, activated), graph.scalar(1)));
      return [graph.multiply(graph.multiply(gradient, up), slope), graph.multiply(gradient, activated)];
    },
  },
  splitHeads: {
    forward: (graph, inputs, { batch, heads }) => {
      const [x] = take(inputs, 1);
      const [rows, width] = x.shape as readonly [number, number];
      const apart = graph.reshape(x, [batch, rows / batch, heads, width / heads]);
      return { output: graph.transpose(apart, [0, 2, 1, 3]), saved: [] };
    },
    backward: (graph, { inputs, gradient }) => {
      const [x] = take(inputs, 1);
      return [graph.reshape(graph.transpose(gradient, [0, 2, 1, 3]), x.shape)];
    },
  },
  mergeHeads: {
    forward: (graph, inputs) => {
      const [x] = take(inputs, 1);
      const [batch, heads, time, width] = x.shape as readonly [number, number, number, number];
      return {
        output: graph.reshape(graph.transpose(x, [0, 2, 1, 3]), [batch * time, heads * width]),
        saved: [],
      };
    },
    backward: (graph, { inputs, gradient }) => {
      const [x] = take(inputs, 1);
      const [batch, heads, time, width] = x.shape as readonly [number, number, number, number];
      return [graph.transpose(graph.reshape(gradient, [batch, time, heads, width]), [0, 2, 1, 3])];
    },
  },
  rotary: {
    forward: (graph, inputs, { theta }) => {
      const [x] = take(inputs, 1);
      return { output: rotate(graph, x, theta, 1), saved: [] };
    },
    // A rotation's transpose is the rotation by the opposite angle.
    backward: (graph, { attributes, gradient }) => [rotate(graph, gradient, attributes.theta, -1)],
  },
  attention: {
    forward: attentionForward,
    backward: attentionBackward,
  },
  round: {
    takesBlocked: true,
    forward: (graph, inputs, { to }) => ({ output: narrow(graph, take(inputs, 1)[0], to), saved: [] }),
    backward: (graph, { attributes, gradient }) => [narrow(graph, gradient, attributes.to)],
  },
  roundBlocks,
  roundChannels,
  roundRange,
  crossEntropy: {
    forward: (graph, inputs) => {
      const [logits, targets, weights] = take(inputs, 3);
      const [rows] = logits.shape as readonly [number, number];
      const logs = graph.node('LogSoftmax', [logits], logits.shape, { attributes: { axis: { int: -1 } } });
      const column: Value = { ...graph.reshape(targets, [rows, 1]), type: 'int64' };
      const picked = graph.node('GatherElements', [logs, column], [rows, 1], {
        attributes: { axis: { int: 1 } },
      });
      const weighted = graph.multiply(graph.reshape(picked, [rows]), weights);
      const sum = graph.node('ReduceSum', [weighted], [], { attributes: { keepdims: { int: 0 } } });
      return { output: graph.node('Neg', [sum], []), saved: [logs] };
    },
    backward: (graph, { inputs, saved, gradient }) => {
      const [logits, targets, weights] = take(inputs, 3);
      const [logs] = take(saved, 1);
      const [rows, vocabulary] = logits.shape as readonly [number, number];
      const choices = graph.constant('offOn', [2], () => Float32Array.of(0, 1));
      const hot = graph.node('OneHot', [targets, graph.integers([vocabulary]), choices], logits.shape);
      const distance = graph.subtract(graph.node('Exp', [logs], logits.shape), hot);
      const scaled = graph.multiply(graph.reshape(weights, [rows, 1]), gradient);
      return [graph.multiply(distance, scaled), undefined, undefined];
    },
  },
};

function addBias(graph: GraphBuilder, y: Value, bias: Value | undefined, scale: number | undefined): Value {
  return bias === undefined ? y : graph.add(y, scaledBias(graph, bias, scale));
}

export function scaledBias(graph: GraphBuilder, bias: Value, scale = 1): Value {
  return scale === 1 ? bias : graph.multiply(bias, graph.scalar(scale));
}

function biasGradient(
  graph: GraphBuilder,
  gradient: Value,
  bias: Value | undefined,
  scale: number | undefined,
): Value[] {
  if (bias === undefined) return [];
  return [scaledBias(graph, columnSums(graph, gradient, gradient.shape[0] as number), scale)];
}

function narrow(graph: GraphBuilder, value: Value, to: NarrowFloat): Value {
  const cast = (from: Value, type: keyof typeof dataTypes): Value =>
    graph.node('Cast', [from], value.shape, { attributes: { to: { int: dataTypes[type] } } });
  const back = cast(cast(value, to), 'fp32');
  return value.isBlocked === true ? graph.asBlocked(back) : back;
}

function silu(graph: GraphBuilder, gate: Value): Value {
  return graph.multiply(gate, graph.map('Sigmoid', gate));
}

function rotate(graph: GraphBuilder, x: Value, theta: number, direction: 1 | -1): Value {
  const [, , time, width] = x.shape as readonly [number, number, number, number];
  const tables = rotaryTables(time, width, theta);
  const shape = [time, width / 2];
  const key = `${time}x${width}:${theta}`;
  const cosines = graph.constant(`cos${key}`, shape, () => tables.cosines);
  const sines = graph.constant(`sin${direction}:${key}`, shape, () => tables.sines.map((s) => s * direction));
  const offset = graph.integers([0]);
  return graph.node('RotaryEmbedding', [x, offset, cosines, sines], x.shape, {
    domain: microsoft,
    attributes: { interleaved: { int: 0 } },
  });
}
