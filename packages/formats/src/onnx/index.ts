export {
  encodeOnnxModel,
  type OnnxAttribute,
  type OnnxElementType,
  type OnnxExternalData,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './onnx-model.ts';
export { externalPlaces, inlineExternalData } from './external-data.ts';
export { splitOnnxModel, type OnnxDataFile, type OnnxFiles } from './split-onnx-model.ts';
export { createProtobufWriter, type ProtobufWriter } from './protobuf-writer.ts';
export { editOnnxGraph, readOnnxGraph, type GraphEdit, type OnnxGraph } from './onnx-graph.ts';
export { readOnnxSignature, type OnnxSignature, type OnnxValue } from './onnx-signature.ts';
export { graphNode, reviseNode, type GraphNode } from './graph-node.ts';
export type { GraphTensor, NewTensor } from './graph-tensor.ts';
export { readProtobuf } from './protobuf-reader.ts';
