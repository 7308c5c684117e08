export {
  accuracyFailures,
  compareAccuracy,
  defaultAccuracyGate,
  type AccuracyGate,
  type AccuracyPosition,
  type AccuracyReport,
} from './accuracy.ts';
export {
  configOfGguf,
  ggufToSafetensors,
  safetensorsToGguf,
  type HuggingFaceModel,
} from './llama/llama-conversion.ts';
export { decodeValues, encodeValues, hasCodec, type CodecType } from './quantise/blocks.ts';
export {
  quantiseGguf,
  type QuantisedModel,
  type QuantisedTensor,
  type QuantisedType,
} from './quantise/quantise-gguf.ts';
export { quantiseOnnx, type QuantisedLayer, type QuantisedOnnx } from './quantise/quantise-onnx.ts';
