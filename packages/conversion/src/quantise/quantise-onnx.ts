/**
 * ONNX models with small dense layers, convolutions and LSTMs that need no calibration data. `int8` multiplies 8-bit integers: weights once,
 * by column, activations at run time by the range that each call has (ONNX Runtime's "dynamic" scheme:
 * DynamicQuantizeLinear + MatMulInteger, u8 × s8, which is the fastest pair of types on processors with VNNI). The
 * others make the weights small and leave the arithmetic in floats.
 */
import { dynamicConv, halvedConv, storedConv } from './onnx/conv-rules.ts';
import { type DenseLayer, floatType, makeNode, withBias } from './onnx/dense-layers.ts';
import { halvesOf } from './onnx/halves.ts';
import { int8Columns, RelativeError } from './onnx/int8-columns.ts';
import { dynamicLstm, halvedLstm, storedLstm } from './onnx/lstm-rules.ts';
import {
  type LayerRule,
  type LayerScheme,
  microsoft,
  type QuantisedOnnx,
  rewriteLayers,
} from './onnx/rewrite-layers.ts';

export const onnxWeightTypes = ['int8', 'int8-weights', 'int4-weights', 'fp16-weights'] as const;
export type OnnxWeightType = (typeof onnxWeightTypes)[number];

export function quantiseOnnx(file: Uint8Array, type: OnnxWeightType = 'int8'): QuantisedOnnx {
  return rewriteLayers(file, schemes[type]);
}

const dynamicDense: LayerRule<DenseLayer> = {
  makeWeight: ({ key, weight }) => {
    const { values, scales, relativeError } = int8Columns(weight);
    return {
      relativeError,
      tensors: [
        { name: `${key}:int8`, shape: [weight.rows, weight.columns], data: values },
        { name: `${key}:scale`, shape: [weight.columns], data: scales },
      ],
    };
  },
  toNodes: (layer) =>
    withBias(layer, (product) => {
      const { input, output, key } = layer;
      return [
        makeNode('MatMulInteger', [`${input}:u8`, `${key}:int8`, `${input}:zero`], [`${output}:int32`]),
        makeNode('Cast', [`${output}:int32`], [`${output}:float`], { to: { int: floatType } }),
        makeNode('Mul', [`${input}:scale`, `${key}:scale`], [`${output}:scale`]),
        makeNode('Mul', [`${output}:float`, `${output}:scale`], [product]),
      ];
    }),
};

const dynamicInt8: LayerScheme = {
  leastOpset: 11,
  rules: { dense: dynamicDense, conv: dynamicConv, lstm: dynamicLstm },
  prepareInput: (input) => ({
    tensors: [],
    nodes: [makeNode('DynamicQuantizeLinear', [input], [`${input}:u8`, `${input}:scale`, `${input}:zero`])],
  }),
};

/** Read back to floats by a node before each product. */
const storedDense: LayerRule<DenseLayer> = {
  makeWeight: (layer) => {
    const { tensors, relativeError } = dynamicDense.makeWeight(layer);
    const zeros = new Int8Array(layer.weight.columns);
    return {
      relativeError,
      tensors: [...tensors, { name: `${layer.key}:zero`, shape: [zeros.length], data: zeros }],
    };
  },
  toNodes: (layer) =>
    restoredLayer(layer, [
      makeNode(
        'DequantizeLinear',
        [`${layer.key}:int8`, `${layer.key}:scale`, `${layer.key}:zero`],
        [`${layer.output}:weight`],
        { axis: { int: 1 } },
      ),
    ]),
};

const storedInt8: LayerScheme = {
  leastOpset: 13,
  rules: { dense: storedDense, conv: storedConv, lstm: storedLstm },
};

const halvedDense: LayerRule<DenseLayer> = {
  makeWeight: ({ key, weight }) => {
    const { halves, relativeError } = halvesOf(weight);
    const tensors = [{ name: `${key}:half`, shape: [weight.rows, weight.columns], data: halves }];
    return { tensors, relativeError };
  },
  toNodes: (layer) =>
    restoredLayer(layer, [
      makeNode('Cast', [`${layer.key}:half`], [`${layer.output}:weight`], { to: { int: floatType } }),
    ]),
};

const storedHalves: LayerScheme = {
  leastOpset: 11,
  rules: { dense: halvedDense, conv: halvedConv, lstm: halvedLstm },
};

function restoredLayer(layer: DenseLayer, restore: ReturnType<typeof makeNode>[]) {
  return withBias(layer, (product) => [
    ...restore,
    makeNode('MatMul', [layer.input, `${layer.output}:weight`], [product]),
  ]);
}

/** Values of a column that share a scale. */
const blockRows = 32;

/** MatMulNBits: the inputs are rounded to eight bits too, so that integers are multiplied (level 0 would be floats). */
const eightBitSums = 4;

/**
 * ONNX Runtime's MatMulNBits: each column in blocks of 32 values of four bits, two to a byte (the first in the lower
 * half), around 8; a scale for each block. The weights stay small in memory too; products are of integers.
 */
const blockedDense: LayerRule<DenseLayer> = {
  makeWeight: ({ key, weight: { rows, columns, at } }) => {
    const blocks = Math.ceil(rows / blockRows);
    const bytes = new Uint8Array(columns * blocks * (blockRows / 2));
    const scales = new Float32Array(columns * blocks);
    const error = new RelativeError();
    for (let column = 0; column < columns; column++)
      for (let block = 0; block < blocks; block++) {
        const from = block * blockRows;
        const to = Math.min(rows, from + blockRows);
        let extreme = 0;
        for (let row = from; row < to; row++)
          if (Math.abs(at(row, column)) > Math.abs(extreme)) extreme = at(row, column);
        const scale = extreme / -8;
        scales[column * blocks + block] = scale;
        for (let row = from; row < from + blockRows; row++) {
          const value = row < to ? at(row, column) : 0;
          const step = scale === 0 ? 8 : Math.max(0, Math.min(15, Math.round(value / scale) + 8));
          const byte = (column * blocks + block) * (blockRows / 2) + ((row - from) >> 1);
          bytes[byte] = (bytes[byte] as number) | (step << (4 * ((row - from) & 1)));
          if (row < to) error.add(value, (step - 8) * scale);
        }
      }
    return {
      relativeError: error.value,
      tensors: [
        { name: `${key}:int4`, shape: [columns, blocks, blockRows / 2], data: bytes },
        { name: `${key}:scale`, shape: [columns * blocks], data: scales },
      ],
    };
  },
  toNodes: (layer) =>
    withBias(layer, (product) => [
      makeNode(
        'MatMulNBits',
        [layer.input, `${layer.key}:int4`, `${layer.key}:scale`],
        [product],
        {
          K: { int: layer.weight.rows },
          N: { int: layer.weight.columns },
          bits: { int: 4 },
          block_size: { int: blockRows },
          accuracy_level: { int: eightBitSums },
        },
        microsoft,
      ),
    ]),
};

/** Only products of matrices have such a kernel. */
const blocksOfFour: LayerScheme = { leastOpset: 11, rules: { dense: blockedDense } };

const schemes: Readonly<Record<OnnxWeightType, LayerScheme>> = {
  int8: dynamicInt8,
  'int8-weights': storedInt8,
  'int4-weights': blocksOfFour,
  'fp16-weights': storedHalves,
};
