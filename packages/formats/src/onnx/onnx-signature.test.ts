import { describe, expect, it } from 'vitest';
import { encodeOnnxModel } from './onnx-model.ts';
import { readOnnxSignature } from './onnx-signature.ts';

describe('the signature of an ONNX file', () => {
  it('names inputs without a value of their own, and sizes that each run chooses', () => {
    const file = encodeOnnxModel({
      name: 'dense',
      opsets: { '': 17 },
      nodes: [{ operator: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }],
      initializers: [{ name: 'w', shape: [2, 3], data: new Float32Array(6) }],
      inputs: [{ name: 'x', type: 'float32', shape: ['rows', 2] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['rows', 3] }],
    });
    expect(readOnnxSignature(file)).toEqual({
      inputs: [{ name: 'x', elementType: 1, shape: ['rows', 2] }],
      outputs: [{ name: 'y', elementType: 1, shape: ['rows', 3] }],
    });
  });

  it('is not to be had from other bytes', () => {
    expect(() => readOnnxSignature(new Uint8Array())).toThrow('no ONNX graph');
  });
});
