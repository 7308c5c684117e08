/**
 * Peak resident bytes of a step of our own runtime on one rank, after one calibration run on the same machine.
 * Parameters, gradients, moments and what the host holds are counted; the memory between the nodes of the graph is
 * planned as ONNX Runtime plans it (`autodiff/workspace.ts`). Calibrated are the process itself and what a session
 * keeps of a node.
 */
import type { Dialect } from '../autodiff/index.ts';
import { transformerGraph } from '../model/transformer-graph.ts';
import { type OwnRun, ownParameters } from './own-step.ts';

export interface OwnMemoryCalibration {
  /** The process before it holds anything of a model. */
  readonly baseBytes: number;
  /** Of a node in a session: its record, its kernel, its plan. */
  readonly nodeBytes: number;
}

/** Parameters, gradients and the two moments of AdamW, fp32. */
export const ownStateBytes = ({ config }: OwnRun): number => 4 * 4 * ownParameters(config);

/** Tokens and targets of 8 bytes, weights of 4, and the gradient of the embedded rows. */
function hostBytes({ config, sequences, time }: OwnRun): number {
  return sequences * time * (2 * 8 + 4 + 4 * config.width);
}

function parts(run: OwnRun, dialect: Dialect): { readonly counted: number; readonly nodes: number } {
  const { config, sequences, time } = run;
  const { nodes, arenaBytes } = transformerGraph(config, sequences, time, 'gradients', dialect).workspace();
  return { counted: ownStateBytes(run) + hostBytes(run) + arenaBytes, nodes };
}

export function calibrateOwnMemory(
  run: OwnRun,
  dialect: Dialect,
  measured: { readonly baseBytes: number; readonly peakBytes: number },
): OwnMemoryCalibration {
  const { baseBytes, peakBytes } = measured;
  const { counted, nodes } = parts(run, dialect);
  return { baseBytes, nodeBytes: Math.max(0, peakBytes - baseBytes - counted) / nodes };
}

export function ownPeakBytes(
  { baseBytes, nodeBytes }: OwnMemoryCalibration,
  run: OwnRun,
  dialect: Dialect,
): number {
  const { counted, nodes } = parts(run, dialect);
  return baseBytes + counted + nodes * nodeBytes;
}
