/**
 * Peak resident bytes of a rank of our own runtime, by part, after one calibration run on the same machine. What ranks
 * keep between steps and the buffers they work in are counted as the runtime takes them (`trainer/parallel`); the
 * memory between the nodes of a graph is planned as ONNX Runtime plans it (`autodiff/workspace.ts`). Calibrated are
 * the process itself and what a session keeps of a node.
 */
import { parameterLayout } from '../../model/parameter-layout.ts';
import {
  factoredLayout,
  gridAt,
  isNoLayerMatrix,
  ownedSpans,
  rankAt,
  stageLayout,
  type ParallelGrid,
  type StageLayout,
} from '../../parallel/index.ts';
import type { Optimiser } from '../optimiser-cost.ts';
import { wholeGraph } from './own-graphs.ts';
import { runsWhole, type OwnRun } from './own-run.ts';
import { stagedMemory } from './staged-memory.ts';

export interface OwnMemoryCalibration {
  /** The process before it holds anything of a model. */
  readonly baseBytes: number;
  /** Of a node in a session: its record, its kernel, its plan. */
  readonly nodeBytes: number;
}

export interface OwnMemory {
  /** Between steps. */
  readonly parameters: number;
  readonly gradients: number;
  readonly optimiser: number;
  /** Kept of a micro-batch from its forward to its backward pass. */
  readonly activations: number;
  /** Values between the nodes of the graphs. */
  readonly workspace: number;
  /** Where rows, gathered layers, gradients of a micro-batch and messages lie. */
  readonly buffers: number;
  /** The process, its code and its sessions. */
  readonly runtime: number;
  readonly total: number;
}

/** What is not calibrated. */
interface CountedMemory extends Omit<OwnMemory, 'runtime' | 'total'> {
  readonly nodes: number;
}

interface Owned {
  readonly stage: StageLayout;
  /** Whose part is cut out: everybody's without ZeRO. */
  readonly place: Parameters<typeof ownedSpans>[1];
}

const copies =
  (count: number) =>
  (owned: Owned): number =>
    count * ownedSpans(owned.stage, owned.place).length;

/** Elements that a rank keeps of the moments. */
const moments: Readonly<Record<Optimiser, (owned: Owned) => number>> = {
  adamw: copies(2),
  muon: (owned) => copies(1)(owned) + ownedSpans(owned.stage, owned.place, isNoLayerMatrix).length,
  sgd: copies(1),
  adafactor: ({ stage }) => factoredLayout(stage).length,
};

/** A process before it had a model, and at most, with what it ran. */
export interface MeasuredMemory {
  readonly run: OwnRun;
  readonly baseBytes: number;
  readonly peakBytes: number;
}

/** What a process takes depends on when its garbage is collected: the middle of several counts. */
export function calibrateOwnMemory(measured: readonly MeasuredMemory[]): OwnMemoryCalibration {
  return {
    baseBytes: median(measured.map(({ baseBytes }) => baseBytes)),
    nodeBytes: median(
      measured.map(({ run, baseBytes, peakBytes }) => {
        const { nodes, ...counted } = fullestRank(run);
        return Math.max(0, peakBytes - baseBytes - sumOf(counted)) / nodes;
      }),
    ),
  };
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (place: number): number => sorted[place] ?? 0;
  return (at((sorted.length - 1) >> 1) + at(sorted.length >> 1)) / 2;
};

/** Of the fullest rank. */
export function ownMemory({ baseBytes, nodeBytes }: OwnMemoryCalibration, run: OwnRun): OwnMemory {
  const { nodes, ...counted } = fullestRank(run);
  const runtime = baseBytes + nodes * nodeBytes;
  return { ...counted, runtime, total: sumOf(counted) + runtime };
}

function fullestRank(run: OwnRun): CountedMemory {
  const { layout } = run;
  const stages = Array.from({ length: layout.pipeline }, (_, pipeline) =>
    rankMemory(run, gridAt(layout, rankAt(layout, { data: 0, tensor: 0, pipeline }))),
  );
  return stages.reduce((most, stage) => (sumOf(stage) > sumOf(most) ? stage : most));
}

function rankMemory(run: OwnRun, grid: ParallelGrid): CountedMemory {
  const { config, layout } = run;
  const stage = stageLayout(config, grid, parameterLayout(config));
  const owned = ownedSpans(stage, grid).length;
  const held = (from: number): number => 4 * (layout.zero >= from ? owned : stage.length);
  const states = {
    parameters: held(3),
    gradients: held(2),
    optimiser:
      4 * moments[layout.optimizer]({ stage, place: layout.zero >= 1 ? grid : { dataIndex: 0, data: 1 } }),
  };
  const work = runsWhole(layout) ? wholeMemory(run, stage) : stagedMemory(run, stage, grid);
  // What ranks send each other arrives where it belongs.
  return { ...states, ...work };
}

function wholeMemory(run: OwnRun, stage: StageLayout) {
  const { config, sequences, time, layout } = run;
  const { nodes, arenaBytes } = wholeGraph(run);
  const rows = sequences * time;
  return {
    activations: 0,
    workspace: arenaBytes,
    // Tokens and targets of 8 bytes, weights of 4, the gradient of the embedded rows; gradients of one of several runs.
    buffers: rows * (8 + 8 + 4 + 4 * config.width) + (layout.microBatches > 1 ? 4 * stage.length : 0),
    nodes,
  };
}

const sumOf = (parts: Omit<CountedMemory, 'nodes'>): number =>
  parts.parameters + parts.gradients + parts.optimiser + parts.activations + parts.workspace + parts.buffers;
