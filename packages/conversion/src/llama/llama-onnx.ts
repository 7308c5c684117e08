/**
 * A Llama-architecture model as an ONNX graph of standard operators that carries its keys and values from call to call,
 * with the names that Hugging Face's exporters use.
 *
 * | input | shape | |
 * |---|---|---|
 * | input_ids | [batch, sequence] int64 | what is new |
 * | attention_mask | [batch, total] int64 | 1 where there is a token, past ones included; total = past + sequence |
 * | past_key_values.i.key, .value | [batch, kv heads, past, head] | of layer i, keys rotated; past may be 0 |
 *
 * Outputs: logits [batch, sequence, vocabulary]; present.i.key, present.i.value [batch, kv heads, total, head].
 * A token's position is the number of tokens before it that the mask shows, so padding may stand on the left.
 */
import type { LlamaConfig } from '@gantry/formats';
import { encodeOnnxModel, type OnnxNode, type OnnxTensor, type OnnxValueInfo } from '@gantry/formats/onnx';

/** By Hugging Face name; matrices [out, in], row by row. */
export type LlamaWeights = ReadonlyMap<string, Float32Array>;

/** Finite, so that a row of which nothing may be seen gives numbers. */
const never = -1e30;

class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxTensor>();

  /** Answers the name of what it gives. */
  add(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
    output = `${operator}:${this.nodes.length}`,
  ): string {
    this.nodes.push({ operator, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  halves(input: string): readonly [string, string] {
    const outputs = [0, 1].map((at) => `Split:${this.nodes.length}:${at}`) as [string, string];
    this.nodes.push({
      operator: 'Split',
      domain: '',
      inputs: [input],
      outputs,
      attributes: { axis: { int: -1 } },
    });
    return outputs;
  }

  hold(name: string, shape: readonly number[], data: OnnxTensor['data']): string {
    if (!this.constants.has(name)) this.constants.set(name, { name, shape, data });
    return name;
  }

  number(value: number): string {
    return this.hold(`number:${value}`, [], Float32Array.of(value));
  }

  sizes(...values: readonly number[]): string {
    return this.hold(`sizes:${values.join()}`, [values.length], BigInt64Array.from(values, BigInt));
  }
}

export function llamaOnnx(config: LlamaConfig, weights: LlamaWeights): Uint8Array<ArrayBuffer> {
  const { width, heads, kvHeads, headWidth, layers, hidden, vocabularySize, contextLength } = config;
  const graph = new GraphBuilder();
  const weightOf = (name: string): Float32Array => {
    const values = weights.get(name);
    if (values === undefined) throw new RangeError(`there is no weight ${name}`);
    return values;
  };
  const project = (input: string, name: string, rows: number, columns: number): string => {
    const matrix = graph.hold(`${name}:t`, [columns, rows], transposed(weightOf(name), rows, columns));
    return graph.add('MatMul', [input, matrix]);
  };
  const norm = (input: string, name: string): string => {
    const squares = graph.add('Mul', [input, input]);
    const mean = graph.add('ReduceMean', [squares], { axes: { ints: [-1] }, keepdims: { int: 1 } });
    const root = graph.add('Sqrt', [graph.add('Add', [mean, graph.number(config.normEpsilon)])]);
    return graph.add('Mul', [graph.add('Div', [input, root]), graph.hold(name, [width], weightOf(name))]);
  };
  const sizeOf = (tensor: string, axis: number): string =>
    graph.add('Slice', [graph.add('Shape', [tensor]), graph.sizes(axis), graph.sizes(axis + 1)]);

  const embedding = graph.hold(
    'model.embed_tokens.weight',
    [vocabularySize, width],
    weightOf('model.embed_tokens.weight'),
  );
  const fresh = sizeOf('input_ids', 1);
  const total = sizeOf('attention_mask', 1);
  const { cos, sin } = rotations(graph, config, fresh);
  const allowed = allowedKeys(graph, fresh, total);
  const bias = graph.add('Where', [allowed, graph.number(0), graph.number(never)]);
  const scoreShape = graph.add('Concat', [graph.sizes(0), graph.sizes(heads), fresh, total], {
    axis: { int: 0 },
  });
  const groupShape = graph.add('Concat', [graph.sizes(0), graph.sizes(kvHeads), graph.sizes(-1), total], {
    axis: { int: 0 },
  });
  const byHead = (input: string, count: number): string =>
    graph.add('Transpose', [graph.add('Reshape', [input, graph.sizes(0, 0, count, headWidth)])], {
      perm: { ints: [0, 2, 1, 3] },
    });
  const rotated = (input: string): string => {
    const [first, second] = graph.halves(input);
    const turned = graph.add('Concat', [graph.add('Neg', [second]), first], { axis: { int: -1 } });
    return graph.add('Add', [graph.add('Mul', [input, cos]), graph.add('Mul', [turned, sin])]);
  };
  const withPast = (kind: 'key' | 'value', layer: number, input: string): string =>
    graph.add(
      'Concat',
      [`past_key_values.${layer}.${kind}`, input],
      { axis: { int: 2 } },
      `present.${layer}.${kind}`,
    );

  let stream = graph.add('Gather', [embedding, 'input_ids']);
  for (let layer = 0; layer < layers; layer += 1) {
    const at = (name: string): string => `model.layers.${layer}.${name}.weight`;
    const input = norm(stream, at('input_layernorm'));
    const query = rotated(byHead(project(input, at('self_attn.q_proj'), heads * headWidth, width), heads));
    const freshKeys = rotated(
      byHead(project(input, at('self_attn.k_proj'), kvHeads * headWidth, width), kvHeads),
    );
    const freshValues = byHead(project(input, at('self_attn.v_proj'), kvHeads * headWidth, width), kvHeads);
    const keys = graph.add('Transpose', [withPast('key', layer, freshKeys)], {
      perm: { ints: [0, 1, 3, 2] },
    });
    const values = withPast('value', layer, freshValues);
    // Heads of a group share keys: their queries stand under each other.
    const grouped = graph.add('Reshape', [query, graph.sizes(0, kvHeads, -1, headWidth)]);
    const products = graph.add('Reshape', [graph.add('MatMul', [grouped, keys]), scoreShape]);
    const scores = graph.add('Mul', [products, graph.number(1 / Math.sqrt(headWidth))]);
    const shares = graph.add('Softmax', [graph.add('Add', [scores, bias])], { axis: { int: -1 } });
    const mixed = graph.add('MatMul', [graph.add('Reshape', [shares, groupShape]), values]);
    const split = graph.add('Reshape', [mixed, graph.sizes(0, heads, -1, headWidth)]);
    const joined = graph.add('Reshape', [
      graph.add('Transpose', [split], { perm: { ints: [0, 2, 1, 3] } }),
      graph.sizes(0, 0, heads * headWidth),
    ]);
    stream = graph.add('Add', [stream, project(joined, at('self_attn.o_proj'), width, heads * headWidth)]);
    const middle = norm(stream, at('post_attention_layernorm'));
    const gate = project(middle, at('mlp.gate_proj'), hidden, width);
    const up = project(middle, at('mlp.up_proj'), hidden, width);
    const active = graph.add('Mul', [graph.add('Mul', [gate, graph.add('Sigmoid', [gate])]), up]);
    stream = graph.add('Add', [stream, project(active, at('mlp.down_proj'), width, hidden)]);
  }
  const head = config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  const last = norm(stream, 'model.norm.weight');
  const output = graph.hold(
    `${head}:t`,
    [width, vocabularySize],
    transposed(weightOf(head), vocabularySize, width),
  );
  graph.add('MatMul', [last, output], {}, 'logits');
  return encodeOnnxModel({
    name: `llama with its keys and values, up to ${contextLength} tokens`,
    opsets: { '': 17 },
    nodes: graph.nodes,
    initializers: [...graph.constants.values()],
    ...ends(config),
  });
}

/** Of each new token by its position: [batch, 1, sequence, head]. */
function rotations(
  graph: GraphBuilder,
  { headWidth, contextLength, ropeTheta }: LlamaConfig,
  fresh: string,
): { readonly cos: string; readonly sin: string } {
  const counted = graph.add('CumSum', ['attention_mask', graph.hold('axis:1', [], BigInt64Array.of(1n))]);
  const positions = graph.add('Max', [graph.add('Sub', [counted, graph.sizes(1)]), graph.sizes(0)]);
  const ofNew = graph.add('Slice', [
    positions,
    graph.add('Neg', [fresh]),
    graph.sizes(Number.MAX_SAFE_INTEGER),
    graph.sizes(1),
  ]);
  const half = headWidth / 2;
  const table = (wave: (angle: number) => number): Float32Array =>
    Float32Array.from({ length: contextLength * headWidth }, (_, at) => {
      const position = Math.floor(at / headWidth);
      return wave(position / ropeTheta ** ((2 * (at % half)) / headWidth));
    });
  const gathered = (name: string, wave: (angle: number) => number): string =>
    graph.add('Unsqueeze', [
      graph.add('Gather', [graph.hold(name, [contextLength, headWidth], table(wave)), ofNew]),
      graph.sizes(1),
    ]);
  return { cos: gathered('rotation.cos', Math.cos), sin: gathered('rotation.sin', Math.sin) };
}

/** Whether a new token may see a key: it does not come later, and is a token. [batch, 1, sequence, total] */
function allowedKeys(graph: GraphBuilder, fresh: string, total: string): string {
  const scalar = (size: string): string => graph.add('Squeeze', [size, graph.sizes(0)]);
  const zero = graph.hold('zero', [], BigInt64Array.of(0n));
  const one = graph.hold('one', [], BigInt64Array.of(1n));
  const keys = graph.add('Range', [zero, scalar(total), one]);
  const queries = graph.add('Slice', [keys, graph.add('Neg', [fresh]), graph.sizes(Number.MAX_SAFE_INTEGER)]);
  const isEarlier = graph.add('LessOrEqual', [keys, graph.add('Unsqueeze', [queries, graph.sizes(1)])]);
  const isToken = graph.add('Equal', [graph.add('Unsqueeze', ['attention_mask', graph.sizes(1, 2)]), one]);
  return graph.add('And', [isEarlier, isToken]);
}

function ends({ layers, kvHeads, headWidth, vocabularySize }: LlamaConfig): {
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
} {
  const cache = (prefix: string, length: string): OnnxValueInfo[] =>
    Array.from({ length: layers }, (_, layer) =>
      ['key', 'value'].map((kind): OnnxValueInfo => ({
        name: `${prefix}.${layer}.${kind}`,
        type: 'float32',
        shape: ['batch', kvHeads, length, headWidth],
      })),
    ).flat();
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

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      result[column * rows + row] = values[row * columns + column] as number;
  return result;
}
