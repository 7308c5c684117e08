export {
  encodeOnnxModel,
  type OnnxAttribute,
  type OnnxElementType,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './onnx-model.ts';
export { createProtobufWriter, type ProtobufWriter } from './protobuf-writer.ts';
export {
  editOnnxGraph,
  readOnnxGraph,
  type GraphEdit,
  type GraphNode,
  type GraphTensor,
  type NewTensor,
  type OnnxGraph,
} from './onnx-graph.ts';
export { readProtobuf } from './protobuf-reader.ts';
