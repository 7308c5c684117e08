/** Convolutions with small filters: a scale for each output channel. */
import { reviseNode, type NewTensor } from '@gantry/formats/onnx';
import { asFilters, channelShape, type ConvLayer } from './conv-layers.ts';
import { floatType, makeNode } from './dense-layers.ts';
import { halvesOf } from './halves.ts';
import { int8Columns } from './int8-columns.ts';
import type { LayerRule } from './rewrite-layers.ts';

/** Filters as 8-bit integers around 0, and their scales in a shape of the caller's. */
function int8Filters(layer: ConvLayer, scaleShape: readonly number[]) {
  const { key, weight } = layer;
  const { values, scales, relativeError } = int8Columns(weight);
  const filters = asFilters(weight, values, new Int8Array(values.length));
  const scale: NewTensor = { name: `${key}:scale`, shape: scaleShape, data: scales };
  return { filters, scale, relativeError };
}

/** What stands for 0. */
const middle = 128;

/**
 * Integers times integers; activations by the range that each call has. The filters are kept from 0 to 255 around 128:
 * ONNX Runtime's ConvInteger multiplies filters × inputs, and has no fast kernel for signed × unsigned (4.6 times slower).
 */
export const dynamicConv: LayerRule<ConvLayer> = {
  makeWeight: (layer) => {
    const { filters, scale, relativeError } = int8Filters(layer, channelShape(layer));
    const { key, shape } = layer;
    const raised = Uint8Array.from(filters, (value) => value + middle);
    return {
      relativeError,
      tensors: [
        { name: `${key}:uint8`, shape, data: raised },
        { name: `${key}:middle`, shape: [], data: Uint8Array.of(middle) },
        scale,
      ],
    };
  },
  ownTensors: (layer) =>
    layer.bias === undefined
      ? []
      : [{ name: `${layer.output}:bias`, shape: channelShape(layer), data: layer.bias.values }],
  toNodes: ({ node, input, output, key, bias }) => {
    const sum = bias === undefined ? output : `${output}:product`;
    return [
      reviseNode(node, {
        operator: 'ConvInteger',
        inputs: [`${input}:u8`, `${key}:uint8`, `${input}:zero`, `${key}:middle`],
        outputs: [`${output}:int32`],
      }),
      makeNode('Cast', [`${output}:int32`], [`${output}:float`], { to: { int: floatType } }),
      makeNode('Mul', [`${input}:scale`, `${key}:scale`], [`${output}:scale`]),
      makeNode('Mul', [`${output}:float`, `${output}:scale`], [sum]),
      ...(bias === undefined ? [] : [makeNode('Add', [sum, `${output}:bias`], [output])]),
    ];
  },
};

const restored = (layer: ConvLayer, restore: ReturnType<typeof makeNode>) => [
  restore,
  reviseNode(layer.node, {
    inputs: layer.node.inputs.map((name, at) => (at === 1 ? `${layer.output}:weight` : name)),
  }),
];

/** A scale and a zero for each channel, as DequantizeLinear along the first axis takes them. */
export const storedConv: LayerRule<ConvLayer> = {
  makeWeight: (layer) => {
    const { key, shape, weight } = layer;
    const { filters, scale, relativeError } = int8Filters(layer, [weight.columns]);
    const zeros = { name: `${key}:zero`, shape: [weight.columns], data: new Int8Array(weight.columns) };
    return { tensors: [{ name: `${key}:int8`, shape, data: filters }, scale, zeros], relativeError };
  },
  toNodes: (layer) => restored(layer, filtersBack(layer)),
};

export const filtersBack = ({ key, output }: ConvLayer) =>
  makeNode('DequantizeLinear', [`${key}:int8`, `${key}:scale`, `${key}:zero`], [`${output}:weight`], {
    axis: { int: 0 },
  });

export const halvedConv: LayerRule<ConvLayer> = {
  makeWeight: ({ key, shape, weight }) => {
    const { halves, relativeError } = halvesOf(weight);
    const data = asFilters(weight, halves, new Float16Array(halves.length));
    return { tensors: [{ name: `${key}:half`, shape, data }], relativeError };
  },
  toNodes: (layer) =>
    restored(
      layer,
      makeNode('Cast', [`${layer.key}:half`], [`${layer.output}:weight`], { to: { int: floatType } }),
    ),
};
