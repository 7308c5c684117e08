/**
 * An ONNX model whose dense layers and convolutions take activations of a range that calibration found: QuantizeLinear and
 * DequantizeLinear around them and their weights, which ONNX Runtime joins into integer products. LSTMs take
 * the range of each step instead: what they remember has no samples of its own. With 16-bit
 * activations the arithmetic stays in floats where the device has no such kernel; the rounding is the same.
 */
import {
  editOnnxGraph,
  readOnnxGraph,
  reviseNode,
  type NewTensor,
  type OnnxNode,
} from '@gantry/formats/onnx';
import type { ActivationRange } from './onnx/activation-range.ts';
import { cleanGraph } from './onnx/clean-graph.ts';
import type { ConvLayer } from './onnx/conv-layers.ts';
import { filtersBack, storedConv } from './onnx/conv-rules.ts';
import { makeNode } from './onnx/dense-layers.ts';
import { storedDense } from './onnx/dense-rules.ts';
import { int8Columns } from './onnx/int8-columns.ts';
import { dynamicLstm } from './onnx/lstm-rules.ts';
import { heavyLayers, microsoft, type QuantisedOnnx, rewriteLayers } from './onnx/rewrite-layers.ts';

export type ActivationType = 'uint8' | 'uint16';

/** The model with the inputs of its layers, and what its convolutions give, among its outputs; and their names. */
export function calibrationModel(file: Uint8Array): {
  readonly file: Uint8Array;
  readonly activations: readonly string[];
} {
  const { file: clean } = cleanGraph(file);
  const graph = readOnnxGraph(clean);
  const activations = [
    ...new Set(
      [...heavyLayers(graph).values()].flatMap(({ kind, input, output }) =>
        kind === 'dense' ? [input] : kind === 'conv' ? [input, output] : [],
      ),
    ),
  ];
  const given = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  // What comes from outside is known already.
  const newOutputs = activations.filter((name) => given.has(name) && !graph.outputs.includes(name));
  const made = editOnnxGraph(clean, {
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
  const domain = isWide ? microsoft : '';
  const highest = isWide ? 65_535 : 255;
  const scaleOf = (name: string): number => {
    const { low, high } = ranges.get(name) ?? { low: 0, high: 0 };
    return high > low ? (high - low) / highest : 1;
  };
  /** Scale and zero of an activation, under names that end so. */
  const rangeTensors = (name: string, prefix: string): NewTensor[] => {
    const scale = scaleOf(name);
    const zero = Math.round(-(ranges.get(name)?.low ?? 0) / scale);
    return [
      { name: `${prefix}-scale`, shape: [], data: Float32Array.of(scale) },
      { name: `${prefix}-zero`, shape: [], data: isWide ? Uint16Array.of(zero) : Uint8Array.of(zero) },
    ];
  };
  const thereAndBack = (from: string, to: string, prefix: string): OnnxNode[] => {
    const parameters = [`${prefix}-scale`, `${prefix}-zero`];
    return [
      makeNode('QuantizeLinear', [from, ...parameters], [`${prefix}-q`], {}, domain),
      makeNode('DequantizeLinear', [`${prefix}-q`, ...parameters], [to], {}, domain),
    ];
  };
  return rewriteLayers(file, {
    leastOpset: 13,
    isTaken: (layer) =>
      layer.kind === 'lstm' ||
      (ranges.has(layer.input) && (layer.kind === 'dense' || ranges.has(layer.output))),
    prepareInput: (input) => ({
      tensors: rangeTensors(input, `${input}:in`),
      nodes: thereAndBack(input, `${input}:dq`, `${input}:in`),
    }),
    rules: {
      dense: storedDense(({ input }) => `${input}:dq`),
      lstm: dynamicLstm,
      conv: {
        makeWeight: (layer) => storedConv.makeWeight(layer),
        ownTensors: (layer) => [
          ...rangeTensors(layer.output, `${layer.output}:out`),
          ...biasTensors(layer, scaleOf(layer.input)),
        ],
        toNodes: (layer) => [
          filtersBack(layer),
          ...biasBack(layer),
          reviseNode(layer.node, {
            inputs: [
              `${layer.input}:dq`,
              `${layer.output}:weight`,
              ...(layer.bias === undefined ? [] : [`${layer.output}:bias`]),
            ],
            outputs: [`${layer.output}:float`],
          }),
          ...thereAndBack(`${layer.output}:float`, layer.output, `${layer.output}:out`),
        ],
      },
    },
  });
}

/** In 32 bits and in steps of the products: so ONNX Runtime adds it before it rounds. */
function biasTensors({ bias, output, weight }: ConvLayer, inputScale: number): NewTensor[] {
  if (bias === undefined) return [];
  const { scales } = int8Columns(weight);
  const steps = scales.map((scale) => scale * inputScale);
  const shape = [steps.length];
  return [
    {
      name: `${output}:bias-int32`,
      shape,
      data: Int32Array.from(bias.values, (value, at) => Math.round(value / (steps[at] as number))),
    },
    { name: `${output}:bias-scale`, shape, data: steps },
    { name: `${output}:bias-zero`, shape, data: new Int32Array(steps.length) },
  ];
}

const biasBack = ({ bias, output }: ConvLayer): OnnxNode[] =>
  bias === undefined
    ? []
    : [
        makeNode(
          'DequantizeLinear',
          [`${output}:bias-int32`, `${output}:bias-scale`, `${output}:bias-zero`],
          [`${output}:bias`],
          { axis: { int: 0 } },
        ),
      ];
