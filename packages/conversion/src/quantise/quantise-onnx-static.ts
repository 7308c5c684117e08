/**
 * An ONNX model whose dense layers take activations of a range that calibration found: QuantizeLinear and
 * DequantizeLinear around them and their weights, which ONNX Runtime joins into integer products. With 16-bit
 * activations the arithmetic stays in floats where the device has no such kernel; the rounding is the same.
 */
import { editOnnxGraph, readOnnxGraph } from '@gantry/formats/onnx';
import type { ActivationRange } from './onnx/activation-range.ts';
import { denseLayers, makeNode, withBias } from './onnx/dense-layers.ts';
import { int8Columns } from './onnx/int8-columns.ts';
import { type QuantisedOnnx, rewriteLayers } from './onnx/rewrite-layers.ts';

export type ActivationType = 'uint8' | 'uint16';

/** The model with the inputs of its dense layers among its outputs, for calibration; and their names. */
export function calibrationModel(file: Uint8Array): {
  readonly file: Uint8Array;
  readonly activations: readonly string[];
} {
  const graph = readOnnxGraph(file);
  const activations = [...new Set([...denseLayers(graph).values()].map(({ input }) => input))];
  const given = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  // What comes from outside is known already.
  const newOutputs = activations.filter((name) => given.has(name) && !graph.outputs.includes(name));
  const made = editOnnxGraph(file, {
    nodes: graph.nodes,
    removedTensors: new Set(),
    newTensors: [],
    newOutputs,
  });
  return { file: made, activations };
}

export function quantiseOnnxStatic(
  file: Uint8Array,
  ranges: ReadonlyMap<string, ActivationRange>,
  activations: ActivationType = 'uint8',
): QuantisedOnnx {
  const isWide = activations === 'uint16';
  // The standard's own take 16 bits from operator set 21 on only.
  const domain = isWide ? 'com.microsoft' : '';
  const highest = isWide ? 65_535 : 255;
  return rewriteLayers(file, {
    leastOpset: 13,
    ...(isWide ? { newOpsets: { 'com.microsoft': 1 } } : {}),
    isTaken: ({ input }) => ranges.has(input),
    makeWeight: ({ key, weight }) => {
      const { values, scales, relativeError } = int8Columns(weight);
      return {
        relativeError,
        tensors: [
          { name: `${key}:int8`, shape: [weight.rows, weight.columns], data: values },
          { name: `${key}:scale`, shape: [weight.columns], data: scales },
          { name: `${key}:zero`, shape: [weight.columns], data: new Int8Array(weight.columns) },
        ],
      };
    },
    prepareInput: (input) => {
      const { low, high } = ranges.get(input) ?? { low: 0, high: 0 };
      const scale = high > low ? (high - low) / highest : 1;
      const zero = Math.round(-low / scale);
      const [scaleName, zeroName] = [`${input}:in-scale`, `${input}:in-zero`];
      const zeros = isWide ? Uint16Array.of(zero) : Uint8Array.of(zero);
      return {
        tensors: [
          { name: scaleName, shape: [], data: Float32Array.of(scale) },
          { name: zeroName, shape: [], data: zeros },
        ],
        nodes: [
          makeNode('QuantizeLinear', [input, scaleName, zeroName], [`${input}:q`], {}, domain),
          makeNode('DequantizeLinear', [`${input}:q`, scaleName, zeroName], [`${input}:dq`], {}, domain),
        ],
      };
    },
    toNodes: (layer) =>
      withBias(layer, (product) => [
        makeNode(
          'DequantizeLinear',
          [`${layer.key}:int8`, `${layer.key}:scale`, `${layer.key}:zero`],
          [`${layer.output}:weight`],
          { axis: { int: 1 } },
        ),
        makeNode('MatMul', [`${layer.input}:dq`, `${layer.output}:weight`], [product]),
      ]),
  });
}
