/** The buffers that a rank has of parameters, gradients and what its optimiser keeps: all, or what it owns of them. */
import { isNoLayerMatrix, ownedSpans, type OwnedSpans, type ZeroStage } from '@gantry/training/parallel';
import { besideParameters, besideSome, factorsOf } from './saved-values.ts';
import type { SavedValues, ShardOptions } from './shard-options.ts';
import { StageBuffer } from './stage-buffer.ts';

export interface ShardState {
  readonly parameters: StageBuffer;
  readonly gradients: StageBuffer;
  /** Empty where the optimiser keeps none, and where they lie in a file. */
  readonly first: StageBuffer;
  readonly second: StageBuffer;
  readonly factors: SavedValues | undefined;
  /** What of it a checkpoint holds, in this order. */
  readonly saved: readonly SavedValues[];
}

/** The place of who owns all. */
const everything = { dataIndex: 0, data: 1 };

export function openShardState(
  { layout, grid, zero, arena, offloaded, ...options }: ShardOptions,
  owned: OwnedSpans,
): ShardState {
  const state = offloaded === undefined ? (options.state ?? 'first and second') : 'nothing';
  const nothing = { spans: [], length: 0 };
  /** Cut up among the owners from a stage of ZeRO on. */
  const buffer = (from: ZeroStage, isThere: boolean): StageBuffer =>
    new StageBuffer(layout, arena, isThere ? (zero >= from ? owned : undefined) : nothing);
  const hasParameters = offloaded?.kinds.includes('parameters') !== true;
  const [hasFirst, hasSecond] = [state.startsWith('first'), state === 'first and second'];
  const parameters = buffer(3, hasParameters);
  const gradients = buffer(2, true);
  const first = buffer(1, hasFirst);
  const second =
    state === 'first, and second beside matrices'
      ? new StageBuffer(layout, arena, ownedSpans(layout, zero >= 1 ? grid : everything, isNoLayerMatrix))
      : buffer(1, hasSecond);
  const factors = state === 'factors' ? factorsOf(layout, arena) : undefined;
  const saved = [
    ...(hasParameters ? [parameters] : []),
    ...(hasFirst ? [first] : []),
    ...(hasSecond ? [second] : []),
  ].map((kept) => besideParameters(kept, layout));
  if (state === 'first, and second beside matrices') saved.push(besideSome(second, layout, isNoLayerMatrix));
  return {
    parameters,
    gradients,
    first,
    second,
    factors,
    saved: factors === undefined ? saved : [...saved, factors],
  };
}
