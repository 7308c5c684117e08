/**
 * One pass of a Llama-architecture decoder whose keys and values lie in blocks: an ONNX graph that reads them through
 * block tables and gives back the new ones, which the host writes to their cells.
 *
 * Sizes: S sequences × Q tokens each (T = S·Q), H heads in K groups of width D, B blocks of N cells a sequence,
 * L = B·N + Q keys that a token may see. The cells of a block that hold nothing yet are masked.
 *
 * | input | shape | |
 * |---|---|---|
 * | tokens, positions | [T] | |
 * | table | [S·B] | block numbers; unused places name any block |
 * | mask | [S, 1, 1, Q, L] | 0 where the token may look, else −∞ |
 * | wanted | [W] | rows of T whose logits are wanted |
 * | pool.k.i, pool.v.i | [blocks, K, N, D] | of layer i, keys rotated |
 * | lora.*.a, lora.*.b | [R, in], [out, R] | of each projection, where there are adapters; see `decoder-adapters.ts` |
 * | shape.* | | what the tensors in the middle are reshaped to; see `passShapes` |
 *
 * Outputs: logits [W, vocabulary]; states [W, width], what the logits are made of; new.k.i, new.v.i [S, K, Q, D].
 */
import type { LlamaConfig } from '@gantry/formats';
import type { OnnxExternalData, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from '@gantry/formats/onnx';
import { projectionsOf, rowsOf, type Projection } from './projections.ts';

/** Hugging Face name → where its row-major numbers lie; projections are [out, in]. */
export type DecoderWeights = ReadonlyMap<string, OnnxExternalData>;

export interface PassSizes {
  readonly sequences: number;
  readonly tokensEach: number;
  readonly blocksEach: number;
}

type Attributes = OnnxNode['attributes'];

/** Shapes that depend on the pass, as the graph's `shape.*` inputs. */
export function passShapes(
  config: LlamaConfig,
  tokensPerBlock: number,
  sizes: PassSizes,
): Record<string, number[]> {
  const { sequences: s, tokensEach: q, blocksEach: b } = sizes;
  const { heads: h, kvHeads: k, headWidth: d } = config;
  const keys = b * tokensPerBlock + q;
  return {
    queries: [s, q, h, d],
    fresh: [s, q, k, d],
    grouped: [s, k, (h / k) * q, d],
    past: [s, b, k, tokensPerBlock, d],
    pastFlat: [s, k, b * tokensPerBlock, d],
    scores: [s, k, h / k, q, keys],
    scoresFlat: [s, k, (h / k) * q, keys],
    mixed: [s, h, q, d],
  };
}

export function decoderGraph(
  config: LlamaConfig,
  weights: DecoderWeights,
  tokensPerBlock: number,
  hasAdapters = false,
): OnnxModel {
  const projections = projectionsOf(config);
  const { width, hidden, heads, kvHeads, headWidth, layers, vocabularySize, contextLength } = config;
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const add = (
    operator: string,
    inputs: string[],
    output: string | string[],
    attributes: Attributes = {},
  ): string => {
    const outputs = typeof output === 'string' ? [output] : output;
    nodes.push({
      operator,
      domain: operator === 'FusedMatMul' ? 'com.microsoft' : '',
      inputs,
      outputs,
      attributes,
    });
    return outputs[0] as string;
  };
  const hold = (name: string, shape: readonly number[], data: OnnxTensor['data']): string => {
    initializers.push({ name, shape, data });
    return name;
  };
  const sizes = (name: string, ...values: number[]): string =>
    hold(name, [values.length], BigInt64Array.from(values, BigInt));
  /** The tensor as it lies in its file; halves become floats once, when the session folds constants. */
  const weight = (name: string, shape: readonly number[]): string => {
    const place = weights.get(name);
    if (place === undefined) throw new Error(`the model has no ${name}`);
    hold(name, shape, place);
    return place.type === 'float32' ? name : add('Cast', [name], `${name}.floats`, { to: { int: 1 } });
  };
  /** `x · Wᵀ` with the rows of all parts, one below the other, and what an adapter adds. */
  const project = (x: string, to: string): string => {
    const parts = (projections.get(to)?.parts ?? []).map(({ huggingFaceName, shape }) =>
      weight(huggingFaceName, shape),
    );
    const all =
      parts.length === 1 ? (parts[0] as string) : add('Concat', parts, `${to}.weight`, { axis: { int: 0 } });
    if (!hasAdapters) return add('Gemm', [x, all], to, { transB: { int: 1 } });
    const plain = add('Gemm', [x, all], `${to}.plain`, { transB: { int: 1 } });
    const low = add('Gemm', [x, `lora.${to}.a`], `${to}.low`, { transB: { int: 1 } });
    return add('Gemm', [low, `lora.${to}.b`, plain], to, { transB: { int: 1 } });
  };
  const norm = (x: string, to: string, name: string): string =>
    add('SimplifiedLayerNormalization', [x, weight(name, [width])], to, {
      axis: { int: -1 },
      epsilon: { float: config.normEpsilon },
    });

  const rotated = heads + kvHeads;
  const rotary = rotaryTables(config);
  hold('cos', [contextLength, 1, headWidth / 2], rotary.cos);
  hold('sin', [contextLength, 1, headWidth / 2], rotary.sin);
  sizes('heads.shape', -1, rotated + kvHeads, headWidth);
  sizes('heads.kinds', rotated, kvHeads);
  sizes('heads.roles', heads, kvHeads);
  sizes('halves', headWidth / 2, headWidth / 2);
  sizes('mixed.shape', -1, heads * headWidth);
  sizes('gates', hidden, hidden);
  const embedding = weight('model.embed_tokens.weight', [vocabularySize, width]);
  add('Gather', ['cos', 'positions'], 'cos.here');
  add('Gather', ['sin', 'positions'], 'sin.here');
  let x = add('Gather', [embedding, 'tokens'], 'x');

  /** [blocks, K, N, D] through the table, with the new ones behind: [S, K, L, D]. */
  const remembered = (at: string, kind: 'k' | 'v', fresh: string): string => {
    add('Reshape', [fresh, 'shape.fresh'], `${at}.${kind}.grid`);
    const own = add('Transpose', [`${at}.${kind}.grid`], `new.${at}.${kind}`, {
      perm: { ints: [0, 2, 1, 3] },
    });
    add('Gather', [`pool.${at}.${kind}`, 'table'], `${at}.${kind}.blocks`);
    add('Reshape', [`${at}.${kind}.blocks`, 'shape.past'], `${at}.${kind}.past`);
    add('Transpose', [`${at}.${kind}.past`], `${at}.${kind}.byHead`, { perm: { ints: [0, 2, 1, 3, 4] } });
    add('Reshape', [`${at}.${kind}.byHead`, 'shape.pastFlat'], `${at}.${kind}.flat`);
    return add('Concat', [`${at}.${kind}.flat`, own], `${at}.${kind}.all`, { axis: { int: 2 } });
  };
  /** Rotates the halves of each head by its position (Hugging Face's convention). */
  const rotate = (at: string, qk: string): string => {
    add('Split', [qk, 'halves'], [`${at}.left`, `${at}.right`], { axis: { int: 2 } });
    add('Mul', [`${at}.left`, 'cos.here'], `${at}.leftCos`);
    add('Mul', [`${at}.right`, 'sin.here'], `${at}.rightSin`);
    add('Mul', [`${at}.right`, 'cos.here'], `${at}.rightCos`);
    add('Mul', [`${at}.left`, 'sin.here'], `${at}.leftSin`);
    add('Sub', [`${at}.leftCos`, `${at}.rightSin`], `${at}.first`);
    add('Add', [`${at}.rightCos`, `${at}.leftSin`], `${at}.second`);
    return add('Concat', [`${at}.first`, `${at}.second`], `${at}.rotated`, { axis: { int: 2 } });
  };

  for (let layer = 0; layer < layers; layer++) {
    const at = `${layer}`;
    const named = (name: string): string => `model.layers.${layer}.${name}.weight`;
    const attended = norm(x, `${at}.normed`, named('input_layernorm'));
    project(attended, `${at}.qkv`);
    add('Reshape', [`${at}.qkv`, 'heads.shape'], `${at}.heads`);
    add('Split', [`${at}.heads`, 'heads.kinds'], [`${at}.qk`, `${at}.values`], { axis: { int: 1 } });
    const turned = rotate(at, `${at}.qk`);
    add('Split', [turned, 'heads.roles'], [`${at}.queries`, `${at}.keys`], { axis: { int: 1 } });
    const keys = remembered(at, 'k', `${at}.keys`);
    const values = remembered(at, 'v', `${at}.values`);
    add('Reshape', [`${at}.queries`, 'shape.queries'], `${at}.q.grid`);
    add('Transpose', [`${at}.q.grid`], `${at}.q.byHead`, { perm: { ints: [0, 2, 1, 3] } });
    // The heads of a group one below the other: each group meets its keys in one product.
    add('Reshape', [`${at}.q.byHead`, 'shape.grouped'], `${at}.q`);
    add('FusedMatMul', [`${at}.q`, keys], `${at}.scores.flat`, {
      transB: { int: 1 },
      alpha: { float: 1 / Math.sqrt(headWidth) },
    });
    add('Reshape', [`${at}.scores.flat`, 'shape.scores'], `${at}.scores`);
    add('Add', [`${at}.scores`, 'mask'], `${at}.masked`);
    add('Softmax', [`${at}.masked`], `${at}.shares.grid`, { axis: { int: -1 } });
    add('Reshape', [`${at}.shares.grid`, 'shape.scoresFlat'], `${at}.shares`);
    add('MatMul', [`${at}.shares`, values], `${at}.mixed.grouped`);
    add('Reshape', [`${at}.mixed.grouped`, 'shape.mixed'], `${at}.mixed.byHead`);
    add('Transpose', [`${at}.mixed.byHead`], `${at}.mixed.grid`, { perm: { ints: [0, 2, 1, 3] } });
    add('Reshape', [`${at}.mixed.grid`, 'mixed.shape'], `${at}.mixed`);
    project(`${at}.mixed`, `${at}.attention`);
    const between = add('Add', [x, `${at}.attention`], `${at}.between`);
    const seen = norm(between, `${at}.seen`, named('post_attention_layernorm'));
    project(seen, `${at}.gateUp`);
    add('Split', [`${at}.gateUp`, 'gates'], [`${at}.gate`, `${at}.up`], { axis: { int: 1 } });
    add('Sigmoid', [`${at}.gate`], `${at}.opened`);
    add('Mul', [`${at}.gate`, `${at}.opened`], `${at}.silu`);
    add('Mul', [`${at}.silu`, `${at}.up`], `${at}.inner`);
    project(`${at}.inner`, `${at}.fed`);
    x = add('Add', [between, `${at}.fed`], `${at}.out`);
  }
  add('Gather', [x, 'wanted'], 'last');
  const final = norm('last', 'states', 'model.norm.weight');
  if (config.tiedEmbeddings) add('Gemm', [final, embedding], 'logits', { transB: { int: 1 } });
  else project(final, 'logits');

  const cells = ['blocks', kvHeads, tokensPerBlock, headWidth];
  const pools = kvNames(layers).map((name): OnnxValueInfo => ({
    name: `pool.${name}`,
    type: 'float32',
    shape: cells,
  }));
  const shapes = passShapes(config, tokensPerBlock, { sequences: 1, tokensEach: 1, blocksEach: 1 });
  return {
    name: 'paged-decoder',
    opsets: { '': 17, 'com.microsoft': 1 },
    nodes,
    initializers,
    inputs: [
      ...['tokens', 'positions'].map((name): OnnxValueInfo => ({ name, type: 'int64', shape: ['T'] })),
      { name: 'table', type: 'int64', shape: ['tableLength'] },
      { name: 'mask', type: 'float32', shape: ['S', 1, 1, 'Q', 'L'] },
      { name: 'wanted', type: 'int64', shape: ['W'] },
      ...Object.entries(shapes).map(([name, shape]): OnnxValueInfo => ({
        name: `shape.${name}`,
        type: 'int64',
        shape: [shape.length],
      })),
      ...pools,
      ...(hasAdapters ? [...projections].flatMap(([to, projection]) => loraInputs(to, projection)) : []),
    ],
    outputs: [
      { name: 'logits', type: 'float32', shape: ['W', vocabularySize] },
      { name: 'states', type: 'float32', shape: ['W', width] },
      ...kvNames(layers).map((name): OnnxValueInfo => ({
        name: `new.${name}`,
        type: 'float32',
        shape: ['S', kvHeads, 'Q', headWidth],
      })),
    ],
  };
}

const loraInputs = (to: string, projection: Projection): readonly OnnxValueInfo[] => [
  { name: `lora.${to}.a`, type: 'float32', shape: [`rank.${to}`, projection.columns] },
  { name: `lora.${to}.b`, type: 'float32', shape: [rowsOf(projection), `rank.${to}`] },
];

/** `0.k`, `0.v`, `1.k`…: the order of the pools. */
export function kvNames(layers: number): string[] {
  return Array.from({ length: layers }, (_, layer) => [`${layer}.k`, `${layer}.v`]).flat();
}

/** Angles in double precision: at position 8,000 single precision would be off by a hundredth. */
function rotaryTables({ contextLength, headWidth, ropeTheta }: LlamaConfig): {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
} {
  const half = headWidth / 2;
  const angles = Float64Array.from(
    { length: contextLength * half },
    (_, at) => Math.floor(at / half) * ropeTheta ** (-(at % half) / half),
  );
  return { cos: Float32Array.from(angles, Math.cos), sin: Float32Array.from(angles, Math.sin) };
}
