/** AdamW over state that lies in a file: each chunk of what the rank owns is updated while it is in memory. */
import type { AdamWSettings, AdamWStep } from '@gantry/training/optimizer';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { OffloadedState } from './offloaded-state.ts';

/** Part of one parameter, by its place in what the rank owns. */
interface OwnPiece {
  readonly at: number;
  readonly gradients: Float32Array;
  /** Undefined where the parameters are in the file too. */
  readonly parameters: Float32Array | undefined;
  readonly decays: boolean;
}

export async function updateOffloaded(
  shard: ModelShard,
  state: OffloadedState,
  settings: AdamWSettings,
  step: AdamWStep,
): Promise<void> {
  const pieces = ownPieces(shard, state);
  const [parametersAt, firstAt, secondAt] = (['parameters', 'first', 'second'] as const).map((kind) =>
    state.kinds.indexOf(kind),
  ) as [number, number, number];
  await state.update((from, to, values) => {
    for (const { at, gradients, parameters, decays } of pieces) {
      const start = Math.max(from, at);
      const end = Math.min(to, at + gradients.length);
      if (start >= end) continue;
      const inChunk = (kind: number): Float32Array =>
        (values[kind] as Float32Array).subarray(start - from, end - from);
      const moved = {
        parameters: parameters?.subarray(start - at, end - at) ?? inChunk(parametersAt),
        gradients: gradients.subarray(start - at, end - at),
        first: inChunk(firstAt),
        second: inChunk(secondAt),
      };
      shard.arena.adamW(moved, decays, settings, step);
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
