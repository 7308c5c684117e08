/** Products with small matrices: a scale for each column, or for blocks of one. */
import { RelativeError } from '../relative-error.ts';
import { type DenseLayer, floatType, makeNode, withBias } from './dense-layers.ts';
import { halvesOf } from './halves.ts';
import { int8Columns } from './int8-columns.ts';
import { type LayerRule, microsoft } from './rewrite-layers.ts';

/** Integers times integers; activations by the range that each call has. */
export const dynamicDense: LayerRule<DenseLayer> = {
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

/** Read back to floats by a node before each product; `inputOf` names what is multiplied. */
export const storedDense = (inputOf: (layer: DenseLayer) => string): LayerRule<DenseLayer> => ({
  makeWeight: (layer) => {
    const { tensors, relativeError } = dynamicDense.makeWeight(layer);
    const zeros = new Int8Array(layer.weight.columns);
    return {
      relativeError,
      tensors: [...tensors, { name: `${layer.key}:zero`, shape: [zeros.length], data: zeros }],
    };
  },
  toNodes: (layer) =>
    restoredLayer(layer, inputOf(layer), [
      makeNode(
        'DequantizeLinear',
        [`${layer.key}:int8`, `${layer.key}:scale`, `${layer.key}:zero`],
        [`${layer.output}:weight`],
        { axis: { int: 1 } },
      ),
    ]),
});

export const halvedDense: LayerRule<DenseLayer> = {
  makeWeight: ({ key, weight }) => {
    const { halves, relativeError } = halvesOf(weight);
    const tensors = [{ name: `${key}:half`, shape: [weight.rows, weight.columns], data: halves }];
    return { tensors, relativeError };
  },
  toNodes: (layer) =>
    restoredLayer(layer, layer.input, [
      makeNode('Cast', [`${layer.key}:half`], [`${layer.output}:weight`], { to: { int: floatType } }),
    ]),
};

function restoredLayer(layer: DenseLayer, input: string, restore: ReturnType<typeof makeNode>[]) {
  return withBias(layer, (product) => [
    ...restore,
    makeNode('MatMul', [input, `${layer.output}:weight`], [product]),
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
export const blockedDense: LayerRule<DenseLayer> = {
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
