import { describe, expect, it } from 'vitest';
import type { OnnxNode } from '@gantry/formats/onnx';
import { executionOrder, peakLiveBytes } from '../autodiff/live-bytes.ts';
import { transformerGraph } from '../model/transformer-graph.ts';
import { transformerShape } from '../model/transformer-shape.ts';
import { calibrateOwnMemory, ownPeakBytes, ownStateBytes } from './own-memory.ts';

const node = (output: string, ...inputs: string[]): OnnxNode => ({
  operator: output.startsWith('view') ? 'Reshape' : 'Add',
  domain: '',
  inputs,
  outputs: [output],
  attributes: {},
});

describe('values alive at once', () => {
  it('are those made and still to be read; views and outputs take nothing', () => {
    const nodes = [node('a', 'x'), node('view', 'a'), node('b', 'view'), node('c', 'b'), node('out', 'c')];
    expect(peakLiveBytes(nodes, (name) => (name === 'x' ? 0 : 8), new Set(['out']))).toBe(16);
  });

  it('are counted in the order of the runtime: the last leaf first, and what it needs before it', () => {
    const nodes = [node('a', 'x'), node('early', 'a'), node('b', 'a'), node('late', 'b', 'a')];
    expect(executionOrder(nodes).map(({ outputs }) => outputs[0])).toEqual(['a', 'b', 'late', 'early']);
  });

  it('hold no gradient that was computed before its turn', () => {
    const config = transformerShape({ depth: 6, width: 64, sequenceLength: 64, vocabularySize: 300 });
    const graph = transformerGraph(config, 4, 64, 'gradients');
    const { nodes } = graph.model(false);
    const made = nodes.flatMap(({ outputs }) => outputs);
    const order = executionOrder(nodes).flatMap(({ outputs }) => outputs);
    expect([...order].sort()).toEqual([...made].sort());
    // Gradients of the last layer's weights are made before the backward pass has come to the first layer.
    const placeOf = (parameter: string): number => order.indexOf(graph.gradients.get(parameter) ?? '');
    const gate = (layer: number): number => placeOf(`model.layers.${layer}.mlp.gate_proj.weight`);
    expect(gate(5)).toBeGreaterThan(0);
    for (const layer of [0, 1, 2, 3, 4]) expect(gate(layer)).toBeGreaterThan(gate(layer + 1));
  });
});

describe('memory of our own runtime', () => {
  const runOf = (depth: number, sequences = 4) => ({
    config: transformerShape({ depth, width: 64, sequenceLength: 64, vocabularySize: 300 }),
    sequences,
    time: 64,
  });

  it('a calibration run predicts itself, and a longer batch takes more of what is not state', () => {
    const measured = { baseBytes: 100e6, peakBytes: 130e6 };
    const calibration = calibrateOwnMemory(runOf(4), 'portable', measured);
    expect(ownPeakBytes(calibration, runOf(4), 'portable')).toBeCloseTo(130e6, 0);
    const without = ({ sequences }: { sequences: number }): number =>
      ownPeakBytes(calibration, runOf(4, sequences), 'portable') - 100e6 - ownStateBytes(runOf(4));
    expect(without({ sequences: 32 }) / without({ sequences: 4 })).toBeGreaterThan(4);
  });
});
