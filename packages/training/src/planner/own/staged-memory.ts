/**
 * What a rank works in that runs the model layer by layer: pipeline stages, tensor ranks, ZeRO 2 and 3, recompute.
 * Follows `trainer/parallel`: sessions that all layers share, a slot for each micro-batch in flight, two rows of
 * gradients between layers, one scratch for a unit's gradients.
 */
import {
  layersOfChunks,
  microBatchesInFlight,
  pipelineActions,
  type ParallelGrid,
  type StageLayout,
  type StageUnit,
} from '../../parallel/index.ts';
import { headWork, layerGraphs } from './own-graphs.ts';
import type { OwnRun } from './own-run.ts';

export interface StagedMemory {
  readonly activations: number;
  readonly workspace: number;
  readonly buffers: number;
  readonly nodes: number;
}

export function stagedMemory(run: OwnRun, stage: StageLayout, grid: ParallelGrid): StagedMemory {
  const { config, sequences, time } = run;
  const rows = sequences * time;
  const stream = 4 * rows * config.width;
  const segments = layerGraphs(run);
  const sessions = segments.flatMap(({ forward, backward }) => [forward, backward]);
  if (stage.isLast) sessions.push(headWork(run));
  const saved = sum(segments.map(({ savedBytes }) => savedBytes));
  // Tokens, targets, weights.
  const batch = rows * (8 + 8 + 4);
  const slots = inFlight(run, grid).map((count, chunk) => {
    const { from, to } = layersOfChunks(config.layers, grid)[chunk] as { from: number; to: number };
    const layers = to - from;
    const isEnd = stage.isLast && chunk === (grid.chunks ?? 1) - 1;
    return {
      activations: count * (layers * saved + (layers * segments.length + 1) * stream),
      buffers: count * (batch + (isEnd ? stream : 0)),
    };
  });
  return {
    activations: sum(slots.map(({ activations }) => activations)),
    workspace: sum(sessions.map(({ arenaBytes }) => arenaBytes)),
    buffers: sum(slots.map(({ buffers }) => buffers)) + 2 * stream + unitBuffers(run, stage),
    nodes: sum(sessions.map(({ nodes }) => nodes)),
  };
}

/** The scratch, gradients of what is no layer, and under ZeRO 3 a gathered layer and all that is none. */
function unitBuffers({ config, layout }: OwnRun, { units }: StageLayout): number {
  const lengthOf = (wanted: (unit: StageUnit) => boolean): number =>
    sum(units.filter(wanted).map(({ from, to }) => to - from));
  const largest = (kind?: StageUnit['kind']): number =>
    Math.max(
      0,
      ...units.filter((unit) => kind === undefined || unit.kind === kind).map(({ from, to }) => to - from),
    );
  const ends = lengthOf(({ kind }) => kind === 'final' || kind === 'positions');
  const table = config.vocabularySize * config.width;
  const gathered = layout.zero === 3 ? largest('layer') + lengthOf(({ kind }) => kind !== 'layer') : 0;
  return 4 * (largest() + ends + table + gathered);
}

function inFlight({ layout }: OwnRun, grid: ParallelGrid): number[] {
  const { pipeline: stages, chunks = 1, pipelineIndex } = grid;
  const { schedule, microBatches } = layout;
  return microBatchesInFlight(pipelineActions({ schedule, stages, microBatches, chunks }, pipelineIndex));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
