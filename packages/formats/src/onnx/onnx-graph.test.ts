import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../format-error.ts';
import { editOnnxGraph, readOnnxGraph } from './onnx-graph.ts';
import { encodeOnnxModel } from './onnx-model.ts';

const file = encodeOnnxModel({
  name: 'dense',
  opsets: { '': 17 },
  nodes: [
    {
      operator: 'Gemm',
      domain: '',
      inputs: ['x', 'w', 'b'],
      outputs: ['y'],
      attributes: { alpha: { float: 1 }, transB: { int: 1 } },
    },
  ],
  initializers: [
    { name: 'w', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'b', shape: [2], data: Float32Array.of(7, 8) },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 3] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['rows', 2] }],
});

describe('ONNX graphs', () => {
  it('are read with their nodes, weights and opset', () => {
    const { opset, nodes, tensors } = readOnnxGraph(file);
    expect(opset).toBe(17);
    expect(nodes).toMatchObject([
      { operator: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], numbers: { alpha: 1, transB: 1 } },
    ]);
    expect(tensors.map(({ name, shape, values }) => [name, shape, [...(values ?? [])]])).toEqual([
      ['w', [2, 3], [1, 2, 3, 4, 5, 6]],
      ['b', [2], [7, 8]],
    ]);
  });

  it('stay the same but for what an edit names', () => {
    const { nodes } = readOnnxGraph(file);
    const same = editOnnxGraph(file, { nodes, removedTensors: new Set(), newTensors: [] });
    expect(readOnnxGraph(same)).toEqual(readOnnxGraph(file));
    const edited = editOnnxGraph(file, {
      nodes,
      removedTensors: new Set(['b']),
      newTensors: [{ name: 'b', shape: [2], data: Float32Array.of(9, 10) }],
    });
    expect(readOnnxGraph(edited).tensors.map(({ name, values }) => [name, values?.[0]])).toEqual([
      ['w', 1],
      ['b', 9],
    ]);
  });

  it('answer any mutation of a file with a refusal or a graph, never with a crash', () => {
    const change = fc.record({ at: fc.nat(file.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.nat(file.length),
        (changes, length) => {
          const mutated = file.slice(0, length < 20 ? file.length : length);
          for (const { at, byte } of changes) if (at < mutated.length) mutated[at] = byte;
          try {
            readOnnxGraph(mutated);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { seed: 31, numRuns: 600 },
    );
  });
});
