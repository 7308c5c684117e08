/** An update of state that lies in a file: each chunk of what the rank owns is changed while it is in memory. */
import type { ModelShard } from '../parallel/model-shard.ts';
import type { OffloadedKind, OffloadedState } from './offloaded-state.ts';

/** Part of one parameter, by its place in what the rank owns. */
interface OwnPiece {
  readonly at: number;
  readonly gradients: Float32Array;
  /** Undefined where the parameters are in the file too. */
  readonly parameters: Float32Array | undefined;
  readonly decays: boolean;
}

/** Elements of one parameter with what the optimiser keeps of them; of momentum alone there is no second. */
export interface OffloadedPiece {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array | undefined;
}

export async function updateOffloaded(
  shard: ModelShard,
  state: OffloadedState,
  change: (piece: OffloadedPiece, decays: boolean) => void,
): Promise<void> {
  const pieces = ownPieces(shard, state);
  await state.update((from, to, values) => {
    for (const { at, gradients, parameters, decays } of pieces) {
      const start = Math.max(from, at);
      const end = Math.min(to, at + gradients.length);
      if (start >= end) continue;
      const inChunk = (kind: OffloadedKind): Float32Array =>
        (values[state.kinds.indexOf(kind)] as Float32Array).subarray(start - from, end - from);
      const moved = {
        parameters: parameters?.subarray(start - at, end - at) ?? inChunk('parameters'),
        gradients: gradients.subarray(start - at, end - at),
        first: inChunk('first'),
        second: state.kinds.includes('second') ? inChunk('second') : undefined,
      };
      change(moved, decays);
    }
  });
}

function ownPieces(shard: ModelShard, state: OffloadedState): OwnPiece[] {
  const hasParameters = state.kinds.includes('parameters');
  const pieces: OwnPiece[] = [];
  shard.eachOwnPiece(({ at, parameter, view }) => {
    pieces.push({
      at,
      gradients: view(shard.gradients),
      parameters: hasParameters ? undefined : view(shard.parameters),
      decays: parameter.global.decays,
    });
  });
  return pieces;
}
