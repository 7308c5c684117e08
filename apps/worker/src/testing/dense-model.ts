import { encodeOnnxModel } from '@gantry/formats/onnx';

/** One dense layer of 64 × 64. */
export const denseModel = (): Uint8Array =>
  encodeOnnxModel({
    name: 'dense',
    opsets: { '': 17 },
    nodes: [{ operator: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }],
    initializers: [
      { name: 'w', shape: [64, 64], data: Float32Array.from({ length: 4096 }, (_, at) => Math.sin(at)) },
    ],
    inputs: [{ name: 'x', type: 'float32', shape: ['rows', 64] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['rows', 64] }],
  });
