export {
  accuracyFailures,
  compareAccuracy,
  defaultAccuracyGate,
  type AccuracyGate,
  type AccuracyPosition,
  type AccuracyReport,
} from './accuracy/accuracy.ts';
export { RowTally, type RowsMeasured } from './accuracy/row-tally.ts';
export { TextTally, type ScoredToken, type TextMeasured } from './accuracy/text-tally.ts';
export { type AskedModel, EvaluationError } from './asked/asked-model.ts';
export { areTasks, evaluateAskedAnswers } from './asked/evaluate-asked-answers.ts';
export { evaluateAskedRows } from './asked/evaluate-asked-rows.ts';
export { evaluateAskedText } from './asked/evaluate-asked-text.ts';
export { checkpointToGguf, type HuggingFaceModel } from './gguf/checkpoint-gguf.ts';
export { ggufToCheckpoint, type GgufCheckpoint } from './gguf/gguf-checkpoint.ts';
export { ggufPieces, openGguf, type LateGguf } from './gguf/late-gguf.ts';
export { checkpointToOnnx, type Checkpoint } from './decoder/checkpoint-onnx.ts';
export type { FileBytes } from './decoder/weight-source.ts';
export { decodeValues, encodeValues, hasCodec, type CodecType } from './quantise/blocks.ts';
export {
  quantiseGguf,
  quantisedTypes,
  type QuantisedModel,
  type QuantisedTensor,
  type QuantisedType,
} from './quantise/quantise-gguf.ts';
export { calibrationMethods, type CalibrationMethod } from '@gantry/contract';
export { RangeObserver, type ActivationRange } from './quantise/onnx/activation-range.ts';
export { cleanGraph, type CleanUp } from './quantise/onnx/clean-graph.ts';
export { smallestWeight } from './quantise/onnx/dense-layers.ts';
export type { QuantisedLayer, QuantisedOnnx } from './quantise/onnx/rewrite-layers.ts';
export { onnxWeightTypes, quantiseOnnx, type OnnxWeightType } from './quantise/quantise-onnx.ts';
export {
  calibrationModel,
  quantiseOnnxStatic,
  type ActivationType,
} from './quantise/quantise-onnx-static.ts';
