/**
 * The layers of one chunk of a stage, bound for as many micro-batches as are in flight: each has buffers of its own
 * for what goes in and what the backward pass needs; gradients share one scratch and two rows between segments.
 */
import { segmentInput, segmentOutputGradient, type SegmentGraph } from '@gantry/training/model';
import type { StageUnit } from '@gantry/training/parallel';
import type { BoundRun, BoundTensor } from '../executor/index.ts';
import type { Arena } from '../memory/index.ts';
import type { StageBatch } from './stage-ends.ts';
import type { StageSessions } from './stage-sessions.ts';
import type { UnitParameters } from './unit-parameters.ts';

/** What every chunk of a stage works in. */
export interface StageWorkplace {
  readonly arena: Arena;
  readonly rows: number;
  readonly width: number;
  readonly units: UnitParameters;
  /** Gradients of one unit. */
  readonly scratch: Float32Array;
  /** Gradient of what segment `index` of a chunk puts out; of the chunk's input for -1. */
  gradientAfter(this: void, index: number): Float32Array;
}

export interface StageSlot extends StageBatch {
  /** Input of each segment, and the output of the last. */
  readonly streams: readonly Float32Array[];
  readonly forward: readonly BoundRun[];
  readonly backward: readonly BoundRun[];
  /** Where the model ends: gradient of the last output, kept from the head's forward until the backward. */
  readonly end: { readonly head: BoundRun; readonly top: Float32Array } | undefined;
  /** The output that is still being sent. */
  leaving: Promise<void>;
}

export interface StageChunk {
  /** Of each segment, in order. */
  readonly units: readonly StageUnit[];
  readonly slots: readonly StageSlot[];
}

export function bindChunk(
  place: StageWorkplace,
  { segments }: StageSessions,
  layers: readonly StageUnit[],
  inFlight: number,
  /** Of the chunk that the model ends in. */
  bindEnd: ((batch: StageBatch, rows: Float32Array, top: Float32Array) => BoundRun) | undefined,
): StageChunk {
  const { arena, rows, width, units, scratch, gradientAfter } = place;
  const stream = (data: Float32Array): BoundTensor => ({ shape: [rows, width], data });
  const parts = layers.flatMap((unit) =>
    [...segments.values()].map((sessions) => ({
      unit,
      sessions,
      places: placesOf(unit, sessions.graph),
    })),
  );
  const bindSlot = (): StageSlot => {
    const batch: StageBatch = {
      tokens: new BigInt64Array(rows),
      targets: new BigInt64Array(rows),
      weights: new Float32Array(rows),
    };
    const streams = Array.from({ length: parts.length + 1 }, () => arena.floats(rows * width));
    const ofLoss: [string, BoundTensor] = ['weights', { shape: [rows], data: batch.weights }];
    const runs = parts.map(({ unit, places, sessions }, index) => {
      const { graph, forward, backward } = sessions;
      const parameters = units.bindings(unit, places);
      const saved = graph.saved.map(({ name, shape }): [string, BoundTensor] => [
        name,
        { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) },
      ]);
      const input: [string, BoundTensor] = [segmentInput, stream(streams[index] as Float32Array)];
      const gradients = places.map(({ name, shape, at, length }): [string, BoundTensor] => [
        graph.gradients.get(name) as string,
        { shape, data: scratch.subarray(at, at + length) },
      ]);
      return {
        forward: forward.bind(
          new Map([input, ofLoss, ...parameters]),
          new Map([[graph.output, stream(streams[index + 1] as Float32Array)], ...saved]),
        ),
        backward: backward.bind(
          new Map([
            input,
            ofLoss,
            ...parameters,
            ...saved,
            [segmentOutputGradient, stream(gradientAfter(index))],
          ]),
          new Map([[graph.inputGradient, stream(gradientAfter(index - 1))], ...gradients]),
        ),
      };
    });
    const top = new Float32Array(bindEnd === undefined ? 0 : rows * width);
    const head = bindEnd?.(batch, streams.at(-1) as Float32Array, top);
    return {
      ...batch,
      streams,
      forward: runs.map(({ forward }) => forward),
      backward: runs.map(({ backward }) => backward),
      end: head && { head, top },
      leaving: Promise.resolve(),
    };
  };
  return {
    units: parts.map(({ unit }) => unit),
    slots: Array.from({ length: inFlight }, bindSlot),
  };
}

interface PartPlace {
  readonly name: string;
  readonly shape: readonly number[];
  readonly at: number;
  readonly length: number;
}

/** A segment's parameters by their name inside a layer, as places in the unit. */
function placesOf(unit: StageUnit, graph: SegmentGraph): PartPlace[] {
  return graph.parameters.map(({ name }) => {
    const parameter = unit.parameters.find((candidate) => candidate.name.endsWith(`.${name}`));
    if (parameter === undefined) throw new RangeError(`the layer has no ${name}`);
    return { name, shape: parameter.shape, at: parameter.offset - unit.from, length: parameter.length };
  });
}
