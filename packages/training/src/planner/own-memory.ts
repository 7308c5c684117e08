/**
 * Peak resident bytes of a step of our own runtime on one rank, after one calibration run on the same machine. What
 * is known exactly is counted: parameters, gradients and moments; the nodes of the graph; the values that are alive
 * at once in the order in which ONNX Runtime runs them. What its arena loses between them is one factor.
 */
import type { Dialect } from '../autodiff/index.ts';
import { transformerGraph } from '../model/transformer-graph.ts';
import { type OwnRun, ownParameters } from './own-step.ts';

/** Of one node in a session: its record, its kernel, its plan. Measured: 5 MB for 700 nodes, 20 MB for 2,000. */
const nodeBytes = 10 * 1024;

export interface OwnMemoryCalibration {
  /** The process before it holds anything of a model. */
  readonly baseBytes: number;
  /** Bytes that a byte of graph and live values takes. */
  readonly workspaceFactor: number;
}

/** Parameters, gradients and the two moments of AdamW, fp32. */
export const ownStateBytes = ({ config }: OwnRun): number => 4 * 4 * ownParameters(config);

function workspaceBytes({ config, sequences, time }: OwnRun, dialect: Dialect): number {
  const { nodes, liveBytes } = transformerGraph(config, sequences, time, 'gradients', dialect).workspace();
  return nodes * nodeBytes + liveBytes;
}

export function calibrateOwnMemory(
  run: OwnRun,
  dialect: Dialect,
  measured: { readonly baseBytes: number; readonly peakBytes: number },
): OwnMemoryCalibration {
  const { baseBytes, peakBytes } = measured;
  const taken = peakBytes - baseBytes - ownStateBytes(run);
  return { baseBytes, workspaceFactor: taken / workspaceBytes(run, dialect) };
}

export function ownPeakBytes(
  { baseBytes, workspaceFactor }: OwnMemoryCalibration,
  run: OwnRun,
  dialect: Dialect,
): number {
  return baseBytes + ownStateBytes(run) + workspaceFactor * workspaceBytes(run, dialect);
}
