/**
 * ONNX models with small dense layers, convolutions and LSTMs that need no calibration data. `int8` multiplies 8-bit integers: weights once,
 * by column, activations at run time by the range that each call has (ONNX Runtime's "dynamic" scheme:
 * DynamicQuantizeLinear + MatMulInteger, u8 × s8, which is the fastest pair of types on processors with VNNI). The
 * others make the weights small and leave the arithmetic in floats.
 */
import { dynamicConv, halvedConv, storedConv } from './onnx/conv-rules.ts';
import { makeNode } from './onnx/dense-layers.ts';
import { blockedDense, dynamicDense, halvedDense, storedDense } from './onnx/dense-rules.ts';
import { dynamicLstm, halvedLstm, storedLstm } from './onnx/lstm-rules.ts';
import { type LayerScheme, type QuantisedOnnx, rewriteLayers } from './onnx/rewrite-layers.ts';

export const onnxWeightTypes = ['int8', 'int8-weights', 'int4-weights', 'fp16-weights'] as const;
export type OnnxWeightType = (typeof onnxWeightTypes)[number];

export function quantiseOnnx(file: Uint8Array, type: OnnxWeightType = 'int8'): QuantisedOnnx {
  return rewriteLayers(file, schemes[type]);
}

const dynamicInt8: LayerScheme = {
  leastOpset: 11,
  rules: { dense: dynamicDense, conv: dynamicConv, lstm: dynamicLstm },
  prepareInput: (input) => ({
    tensors: [],
    nodes: [makeNode('DynamicQuantizeLinear', [input], [`${input}:u8`, `${input}:scale`, `${input}:zero`])],
  }),
};

const storedInt8: LayerScheme = {
  leastOpset: 13,
  rules: { dense: storedDense(({ input }) => input), conv: storedConv, lstm: storedLstm },
};

const storedHalves: LayerScheme = {
  leastOpset: 11,
  rules: { dense: halvedDense, conv: halvedConv, lstm: halvedLstm },
};

/** Only products of matrices have such a kernel. */
const blocksOfFour: LayerScheme = { leastOpset: 11, rules: { dense: blockedDense } };

const schemes: Readonly<Record<OnnxWeightType, LayerScheme>> = {
  int8: dynamicInt8,
  'int8-weights': storedInt8,
  'int4-weights': blocksOfFour,
  'fp16-weights': storedHalves,
};
