/** What the segments of a stage work in, and how one of their graphs is bound to it, both ways. */
import {
  segmentInput,
  segmentOutputGradient,
  segmentTokens,
  type SegmentGraph,
} from '@gantry/training/model';
import type { StageUnit } from '@gantry/training/parallel';
import type { BoundRun, BoundTensor } from '../executor/index.ts';
import type { Part, ProcessGroup } from '../group/index.ts';
import type { Arena } from '../memory/index.ts';
import type { PassSessions } from './stage-sessions.ts';
import type { UnitParameters } from './unit-parameters.ts';

/** What every segment of a stage works in. */
export interface StageWorkplace {
  readonly arena: Arena;
  readonly tensor: ProcessGroup;
  /** Of a micro-batch. */
  readonly rows: number;
  readonly width: number;
  /** Elements of the stream that each tensor rank has: all of them have all unless it is cut by rows. */
  readonly parts: readonly Part[];
  readonly units: UnitParameters;
  /** Gradients of one unit. */
  readonly scratch: Float32Array;
  /** All rows, as long as a segment runs: its input, its output's gradient, what it makes. */
  readonly whole: {
    readonly input: Float32Array;
    readonly gradient: Float32Array;
    readonly made: Float32Array;
  };
  /** Gradient of what segment `index` of a chunk puts out; of the chunk's input for -1. */
  gradientAfter(this: void, index: number): Float32Array;
}

export interface SegmentRun {
  readonly unit: StageUnit;
  forward(this: void): Promise<void>;
  /** From the gradient after it to the one before; those of its parameters lie in the scratch. */
  backward(this: void): Promise<void>;
}

export interface SegmentBuffers {
  /** Its place in the chunk. */
  readonly index: number;
  readonly unit: StageUnit;
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly weights: Float32Array;
  readonly tokens: BigInt64Array;
}

interface PassBuffers {
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly ofOutput: Float32Array;
  readonly ofInput: Float32Array;
}

export function bindPass(
  { width, units, scratch }: Pick<StageWorkplace, 'width' | 'units' | 'scratch'>,
  { graph, forward, backward }: PassSessions,
  { unit, weights, tokens }: Pick<SegmentBuffers, 'unit' | 'weights' | 'tokens'>,
  { input, output, ofOutput, ofInput }: PassBuffers,
): { readonly forward: BoundRun; readonly backward: BoundRun } {
  const stream = (data: Float32Array): BoundTensor => ({ shape: [data.length / width, width], data });
  const rows = input.length / width;
  const places = placesOf(unit, graph);
  const parameters = units.bindings(unit, places);
  const saved = graph.saved.map(({ name, shape }): [string, BoundTensor] => [
    name,
    { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) },
  ]);
  const given: [string, BoundTensor][] = [
    [segmentInput, stream(input)],
    ['weights', { shape: [rows], data: weights.subarray(0, rows) }],
    ...parameters,
  ];
  if (graph.takesTokens) given.push([segmentTokens, { shape: [tokens.length], data: tokens }]);
  const gradients = places.map(({ name, shape, at, length }): [string, BoundTensor] => [
    graph.gradients.get(name) as string,
    { shape, data: scratch.subarray(at, at + length) },
  ]);
  return {
    forward: forward.bind(new Map(given), new Map([[graph.output, stream(output)], ...saved])),
    backward: backward.bind(
      new Map([...given, ...saved, [segmentOutputGradient, stream(ofOutput)]]),
      new Map([[graph.inputGradient, stream(ofInput)], ...gradients]),
    ),
  };
}

interface PartPlace {
  readonly name: string;
  readonly shape: readonly number[];
  readonly at: number;
  readonly length: number;
}

/** A segment's parameters by their name inside a layer, as places in the unit. */
export function placesOf(unit: StageUnit, graph: Pick<SegmentGraph, 'parameters'>): PartPlace[] {
  return graph.parameters.map(({ name }) => {
    const parameter = unit.parameters.find((candidate) => candidate.name.endsWith(`.${name}`));
    if (parameter === undefined) throw new RangeError(`the layer has no ${name}`);
    return { name, shape: parameter.shape, at: parameter.offset - unit.from, length: parameter.length };
  });
}
