/**
 * A decoder as an ONNX graph of standard operators that carries its keys and values from call to call, with the names
 * that Hugging Face's exporters use.
 *
 * | input | shape | |
 * |---|---|---|
 * | input_ids | [batch, sequence] int64 | what is new |
 * | attention_mask | [batch, total] int64 | 1 where there is a token, past ones included; total = past + sequence |
 * | past_key_values.i.key, .value | [batch, kv heads, past, head] | of layer i, keys turned; past may be 0 |
 *
 * Outputs: logits [batch, sequence, vocabulary]; present.i.key, present.i.value [batch, kv heads, total, head].
 * A token's position is the number of tokens before it that the mask shows, so padding may stand on the left.
 */
import type { OnnxModel, OnnxValueInfo } from '@gantry/formats/onnx';
import type { DecoderForm, DecoderLayer } from './decoder-form.ts';
import { GraphBuilder } from './graph-builder.ts';
import { mlpGraph } from './mlp-graph.ts';
import { floatType } from '../quantise/onnx/dense-layers.ts';

/** Finite, so that a row of which nothing may be seen gives numbers. */
const never = -1e30;

export function decoderOnnx(form: DecoderForm): OnnxModel {
  const graph = new GraphBuilder();
  const fresh = graph.sizeOf('input_ids', 1);
  const total = graph.sizeOf('attention_mask', 1);
  const positions = newPositions(graph, fresh);
  const attention = attentionGraph(graph, form, { fresh, total, positions });
  let stream = graph.add('Gather', [graph.hold(form.embedding), 'input_ids']);
  if (form.positions.kind === 'learned')
    stream = graph.add('Add', [stream, graph.add('Gather', [graph.hold(form.positions.table), positions])]);
  for (const [index, layer] of form.layers.entries()) {
    stream = graph.add('Add', [
      stream,
      attention(graph.norm(stream, layer.before, form.normEpsilon), layer, index),
    ]);
    const middle = graph.norm(stream, layer.middle, form.normEpsilon);
    stream = graph.add('Add', [stream, mlpGraph(graph, middle, layer.mlp, form.width)]);
  }
  const last = graph.norm(stream, form.last, form.normEpsilon);
  graph.add('MatMul', [last, graph.hold(form.head)], {}, 'logits');
  return {
    name: `${form.family} with its keys and values, up to ${form.contextLength} tokens`,
    opsets: { '': 17 },
    nodes: graph.nodes,
    initializers: [...graph.constants.values()],
    ...ends(form),
  };
}

interface Names {
  /** Numbers of new tokens, and of all. */
  readonly fresh: string;
  readonly total: string;
  /** [batch, sequence] */
  readonly positions: string;
}

/** Builds the attention of one layer after the other; what they share is built once. */
function attentionGraph(graph: GraphBuilder, form: DecoderForm, { fresh, total, positions }: Names) {
  const { heads, kvHeads, headWidth } = form;
  const rotate =
    form.positions.kind === 'rotary' ? rotation(graph, form, form.positions.theta, positions) : same;
  const allowed = allowedKeys(graph, fresh, total);
  const bias = graph.add('Where', [allowed, graph.number(0), graph.number(never)]);
  const shapeOf = (...sizes: readonly string[]): string => graph.add('Concat', sizes, { axis: { int: 0 } });
  const scoreShape = shapeOf(graph.sizes(0), graph.sizes(heads), fresh, total);
  const groupShape = shapeOf(graph.sizes(0), graph.sizes(kvHeads), graph.sizes(-1), total);
  const turn = (input: string, ...perm: readonly number[]): string =>
    graph.add('Transpose', [input], { perm: { ints: perm } });
  const byHead = (input: string, count: number): string =>
    turn(graph.add('Reshape', [input, graph.sizes(0, 0, count, headWidth)]), 0, 2, 1, 3);
  return (input: string, layer: DecoderLayer, index: number): string => {
    const withPast = (kind: 'key' | 'value', now: string): string =>
      graph.add(
        'Concat',
        [`past_key_values.${index}.${kind}`, now],
        { axis: { int: 2 } },
        `present.${index}.${kind}`,
      );
    const query = rotate(byHead(graph.linear(input, layer.query), heads));
    const keys = withPast('key', rotate(byHead(graph.linear(input, layer.key), kvHeads)));
    const values = withPast('value', byHead(graph.linear(input, layer.value), kvHeads));
    // Heads of a group share keys: their queries stand under each other.
    const grouped = graph.add('Reshape', [query, graph.sizes(0, kvHeads, -1, headWidth)]);
    const products = graph.add('MatMul', [grouped, turn(keys, 0, 1, 3, 2)]);
    const scores = graph.add('Mul', [
      graph.add('Reshape', [products, scoreShape]),
      graph.number(1 / Math.sqrt(headWidth)),
    ]);
    const shares = graph.add('Softmax', [graph.add('Add', [scores, bias])], { axis: { int: -1 } });
    const mixed = graph.add('MatMul', [graph.add('Reshape', [shares, groupShape]), values]);
    const split = turn(graph.add('Reshape', [mixed, graph.sizes(0, heads, -1, headWidth)]), 0, 2, 1, 3);
    return graph.linear(graph.add('Reshape', [split, graph.sizes(0, 0, heads * headWidth)]), layer.output);
  };
}

const same = (input: string): string => input;

/** Of each new token: how many the mask shows before it. */
function newPositions(graph: GraphBuilder, fresh: string): string {
  const counted = graph.add('CumSum', ['attention_mask', graph.constant('axis:1', [], BigInt64Array.of(1n))]);
  const positions = graph.add('Max', [graph.add('Sub', [counted, graph.sizes(1)]), graph.sizes(0)]);
  return graph.add('Slice', [
    positions,
    graph.add('Neg', [fresh]),
    graph.sizes(Number.MAX_SAFE_INTEGER),
    graph.sizes(1),
  ]);
}

/** Su et al. 2021, §3.2.2, on the halves of a head as Hugging Face has them. */
function rotation(
  graph: GraphBuilder,
  { headWidth }: DecoderForm,
  theta: number,
  positions: string,
): (input: string) => string {
  const half = headWidth / 2;
  const frequencies = Float32Array.from({ length: half }, (_, at) => theta ** ((-2 * at) / headWidth));
  const places = graph.add('Cast', [graph.add('Unsqueeze', [positions, graph.sizes(2)])], {
    to: { int: floatType },
  });
  const angles = graph.add('Mul', [places, graph.constant('rotation', [half], frequencies)]);
  const ofBoth = graph.add('Concat', [angles, angles], { axis: { int: -1 } });
  const wave = (operator: 'Cos' | 'Sin'): string =>
    graph.add('Unsqueeze', [graph.add(operator, [ofBoth]), graph.sizes(1)]);
  const [cos, sin] = [wave('Cos'), wave('Sin')];
  return (input) => {
    const [first, second] = graph.pair('Split', [input], { axis: { int: -1 } });
    const turned = graph.add('Concat', [graph.add('Neg', [second]), first], { axis: { int: -1 } });
    return graph.add('Add', [graph.add('Mul', [input, cos]), graph.add('Mul', [turned, sin])]);
  };
}

/** Whether a new token may see a key: it does not come later, and is a token. [batch, 1, sequence, total] */
function allowedKeys(graph: GraphBuilder, fresh: string, total: string): string {
  const scalar = (size: string): string => graph.add('Squeeze', [size, graph.sizes(0)]);
  const zero = graph.constant('zero', [], BigInt64Array.of(0n));
  const one = graph.constant('one', [], BigInt64Array.of(1n));
  const keys = graph.add('Range', [zero, scalar(total), one]);
  const queries = graph.add('Slice', [keys, graph.add('Neg', [fresh]), graph.sizes(Number.MAX_SAFE_INTEGER)]);
  const isEarlier = graph.add('LessOrEqual', [keys, graph.add('Unsqueeze', [queries, graph.sizes(1)])]);
  const isToken = graph.add('Equal', [graph.add('Unsqueeze', ['attention_mask', graph.sizes(1, 2)]), one]);
  return graph.add('And', [isEarlier, isToken]);
}

function ends({
  layers,
  kvHeads,
  headWidth,
  vocabularySize,
}: DecoderForm): Pick<OnnxModel, 'inputs' | 'outputs'> {
  const cache = (prefix: string, length: string): OnnxValueInfo[] =>
    layers.flatMap((_, layer) =>
      ['key', 'value'].map((kind): OnnxValueInfo => ({
        name: `${prefix}.${layer}.${kind}`,
        type: 'float32',
        shape: ['batch', kvHeads, length, headWidth],
      })),
    );
  return {
    inputs: [
      { name: 'input_ids', type: 'int64', shape: ['batch', 'sequence'] },
      { name: 'attention_mask', type: 'int64', shape: ['batch', 'total'] },
      ...cache('past_key_values', 'past'),
    ],
    outputs: [
      { name: 'logits', type: 'float32', shape: ['batch', 'sequence', vocabularySize] },
      ...cache('present', 'total'),
    ],
  };
}
