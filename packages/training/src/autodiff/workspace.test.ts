import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OnnxNode } from '@gantry/formats/onnx';
import { transformerGraph } from '../model/transformer-graph.ts';
import { transformerShape } from '../model/transformer-shape.ts';
import { bufferPlan, type ValueSize } from './buffer-plan.ts';
import { ChunkArena } from './chunk-arena.ts';
import { executionOrder } from './execution-order.ts';

const node = (operator: string, output: string, ...inputs: string[]): OnnxNode => ({
  operator,
  domain: '',
  inputs,
  outputs: [output],
  attributes: {},
});

/** Values are named for their length; x is given. */
const sizeOf = (name: string): ValueSize | undefined =>
  name === 'x'
    ? undefined
    : { shape: name.replace(/[a-z]/, ''), isScalar: false, bytes: Number(name.replace(/[a-z]/, '')) };

const madeBytes = (nodes: readonly OnnxNode[], outputs: readonly string[] = []): number[][] =>
  bufferPlan(nodes, sizeOf, new Set(outputs)).map(({ made }) => made.map(({ bytes }) => bytes));
const freedBytes = (nodes: readonly OnnxNode[]): number[][] =>
  bufferPlan(nodes, sizeOf, new Set()).map(({ freed }) => freed.map(({ bytes }) => bytes));

describe('buffers of a run', () => {
  it('are freed behind the last node that reads them', () => {
    const nodes = [node('Add', 'a8', 'x'), node('Add', 'b16', 'a8'), node('Add', 'c32', 'b16')];
    expect(madeBytes(nodes)).toEqual([[8], [16], [32]]);
    expect(freedBytes(nodes)).toEqual([[], [8], [16, 32]]);
  });

  it('go to the next value of the same shape, and are kept until then', () => {
    const nodes = [
      node('Add', 'a8', 'x'),
      node('Add', 'b16', 'a8'),
      node('Add', 'c32', 'b16'),
      node('Add', 'd8', 'c32'),
    ];
    expect(madeBytes(nodes)).toEqual([[8], [16], [32], []]);
    expect(freedBytes(nodes)).toEqual([[], [], [16], [8, 32]]);
  });

  it('are shared by views and by what is computed in place, not by outputs', () => {
    const nodes = [
      node('Add', 'a8', 'x'),
      node('Reshape', 'b8', 'a8'),
      node('Softmax', 'c8', 'b8'),
      node('Add', 'd8', 'c8'),
    ];
    expect(madeBytes(nodes, ['d8'])).toEqual([[8], [], [], []]);
  });
});

describe('the order of the runtime', () => {
  it('is the last leaf first, and what it needs before it', () => {
    const nodes = [
      node('Add', 'a', 'x'),
      node('Add', 'early', 'a'),
      node('Add', 'b', 'a'),
      node('Add', 'late', 'b', 'a'),
    ];
    expect(executionOrder(nodes).map(({ outputs }) => outputs[0])).toEqual(['a', 'b', 'late', 'early']);
  });

  it('computes no gradient before its turn', () => {
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

describe('the arena of a session', () => {
  const mebibyte = 2 ** 20;

  it('counts what was written to, not the regions it took', () => {
    const arena = new ChunkArena();
    arena.take({}, 3 * mebibyte);
    expect(arena.touchedBytes).toBe(3 * mebibyte);
  });

  it('gives what came back, whole unless it is twice as large', () => {
    const arena = new ChunkArena();
    const [large, next] = [{}, {}];
    arena.take(large, 4 * mebibyte);
    arena.take(next, 4 * mebibyte);
    arena.giveBack(large);
    arena.take({}, 3 * mebibyte);
    // Of the 4 MiB one is idle: it lies in a chunk that is taken.
    arena.take({}, mebibyte);
    expect(arena.touchedBytes).toBe(9 * mebibyte);
  });

  it('is as if new once everything came back, and never holds less than what is in use', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 * mebibyte }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, (bytes) => {
        const arena = new ChunkArena();
        const rounds = [0, 1, 2].map(() => {
          const owners = bytes.map((size) => {
            const owner = {};
            arena.take(owner, size);
            return owner;
          });
          for (const owner of owners) arena.giveBack(owner);
          return arena.touchedBytes;
        });
        expect(rounds[0]).toBeGreaterThanOrEqual(bytes.reduce((sum, size) => sum + size, 0));
        expect(rounds[2]).toBe(rounds[1]);
      }),
      { seed: 5, numRuns: 60 },
    );
  });
});
